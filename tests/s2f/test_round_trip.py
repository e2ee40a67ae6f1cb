"""`s2f bench round-trip`: a known head comes back, and options that do not go together are refused."""

from __future__ import annotations

import pytest

from data.prior import read_prior
from data.shipped import PRIOR
from s2f.cli import BAD_INPUT, main
from s2f.round_trip import MISSING, RoundTrip, own_people, summary


def test_a_known_head_comes_back() -> None:
    said: list[str] = []
    (result,) = own_people(read_prior(PRIOR).head, 1, said.append)
    assert 0.02 < result.mean_mm < 0.5
    assert said == ["own people: 1 of 1"]
    assert 0 < MISSING < 1


def test_summary_counts() -> None:
    line = summary("people", [RoundTrip(0, 0.2, "converged"), RoundTrip(1, 0.6, "converged")], 0.5)
    assert line == "people: 0.400 mm on average, 0.600 mm at most, 1 of 2 under 0.5 mm"


@pytest.mark.parametrize("arguments", [["flame", "--other-model", "a.npz"], ["round-trip", "--out", "a.md"]])
def test_options_of_another_subject_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", *arguments])
    assert end.value.code == BAD_INPUT
    assert arguments[1] in capsys.readouterr().err


def test_an_absent_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "round-trip", "--head-model", "absent.npz"]) == BAD_INPUT
    error = capsys.readouterr().err
    assert "absent.npz" in error
    assert error.count("\n") == 1

"""The test set: a case is what the generator drew where the aligner put it, and is made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eval.held_out.cases
from data.cohort.severities import Severities
from data.cohort.variants import TRAIN
from data.shipped import JAW_OPEN, JAW_OPEN_ICT, PRIOR, PRIOR_ICT
from eval.held_out.case import of_kind
from eval.held_out.cases import DAMAGED, UNDAMAGED, HeldOutSet, case_path, make_case, make_held_out
from eval.held_out.exact_harm import ExactHarm
from eval.held_out.files import read_case, write_case
from fields.distance import DistanceScene
from flame_jax.errors import InputError
from tests.cohort_made import maker
from tests.held_out_made import held_out_case, refused_case, same_alignment
from tests.skulls_made import shipped_prior, turn_degrees


def test_an_undamaged_case_lies_about_where_it_should() -> None:
    made = maker(UNDAMAGED)
    case = make_case(made, shipped_prior(), 0)
    assert (case.number, case.kinds, case.opening) == (0, ("pose",), 0.0)
    assert case.placed is not None
    drawn = made.case(0)
    np.testing.assert_array_equal(case.head.vertices, np.asarray(drawn.body.head, np.float64))
    assert case.fullness == float(drawn.person.fullness)
    error = case.placed.T_aligned_head
    assert turn_degrees(error) < 6.0
    assert np.linalg.norm(error[:3, 3]) < 15.0
    # The scan is the whole skull, moved by the aligner's error and nothing else; a CT has no bone over the foramen
    # magnum, which the template closes.
    whole = case.whole_skull.transformed(error)
    gap = DistanceScene(case.placed.skull).distance(whole.vertices)
    assert np.mean(gap < 0.01) > 0.995
    assert gap.max() < 25.0


def test_a_case_comes_back_from_its_file(tmp_path: Path) -> None:
    prior = shipped_prior()
    for case in (held_out_case(0), refused_case(1)):
        write_case(tmp_path / "case.npz", case)
        read = read_case(tmp_path / "case.npz", prior, prior)
        for name in ("number", "kinds", "fullness", "opening", "refusal"):
            assert getattr(read, name) == getattr(case, name)
        np.testing.assert_allclose(read.head.vertices, case.head.vertices, atol=1e-4)
        np.testing.assert_allclose(read.whole_skull.vertices, case.whole_skull.vertices, atol=1e-4)
        for key, point in case.landmarks.items():
            np.testing.assert_array_equal(read.landmarks[key], point)
        assert (read.placed is None) == (case.placed is None)
        if case.placed is not None and read.placed is not None:
            np.testing.assert_array_equal(read.placed.T_aligned_head, case.placed.T_aligned_head)
            np.testing.assert_array_equal(read.placed.skull.faces, case.placed.skull.faces)
            same_alignment(read.placed.alignment, case.placed.alignment)


def test_cases_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = HeldOutSet(PRIOR, PRIOR, JAW_OPEN, UNDAMAGED, people=2)
    made: list[int] = []

    def writer(_: HeldOutSet, folder: Path) -> Callable[[int], None]:
        def write(number: int) -> None:
            made.append(number)
            write_case(case_path(folder, number), held_out_case(number))

        return write

    monkeypatch.setattr(eval.held_out.cases, "_case_writer", writer)
    assert [case.number for case in make_held_out(held_out, tmp_path, numbers=[1])] == [1]
    said: list[str] = []
    assert [case.number for case in make_held_out(held_out, tmp_path, say=said.append)] == [0, 1]
    assert made == [1, 0]
    assert said == ["test skull 2 of 2"]


def test_a_set_is_kept_by_what_it_is_made_of(tmp_path: Path) -> None:
    held_out = HeldOutSet(PRIOR, PRIOR_ICT, JAW_OPEN_ICT, UNDAMAGED)
    digests = {held_out.digest}
    others: list[dict[str, Any]] = [{"seed": 1}, {"severities": DAMAGED}, {"prior": PRIOR_ICT}, {"test_jaw": JAW_OPEN}]
    others += [{"variant": TRAIN}, {"exact": ExactHarm(half=True)}]
    for other in others:
        digests.add(dataclasses.replace(held_out, **other).digest)
    assert len(digests) == 1 + len(others)
    assert dataclasses.replace(held_out, people=3).digest == held_out.digest
    with pytest.raises(InputError, match=r"none\.npz"):
        dataclasses.replace(held_out, prior=tmp_path / "none.npz").digest  # noqa: B018


def test_undamaged_skulls_are_only_posed() -> None:
    levels = dataclasses.asdict(UNDAMAGED)
    assert {kind for kind, level in levels.items() if level} == {"pose"}
    assert Severities(**levels).pose == 1.0


def test_cases_by_kind() -> None:
    groups = of_kind([held_out_case(0, "holes", "half"), refused_case(1)])
    assert {kind: [case.number for case in cases] for kind, cases in groups.items()} == {"half": [0, 1], "holes": [0]}
    assert list(groups) == ["half", "holes"]

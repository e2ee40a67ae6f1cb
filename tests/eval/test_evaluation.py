"""Evaluations of methods whose errors are known, and what the tables, rows and record say of them."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.evaluation import Evaluation, evaluate
from eval.evaluation_report import (
    ALONE,
    REGIONS,
    evaluation_csv,
    evaluation_dict,
    evaluation_markdown,
    evaluation_tables,
)
from eval.face_errors import FACE
from eval.subject import Subject, read_pair
from flame_jax.errors import InputError
from tests.evaluation_made import Swollen, mean_case, write_told_pair
from tests.skulls_made import pose, shipped_prior

COUNT = 4_000


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return read_pair(write_told_pair(tmp_path_factory.mktemp("pairs") / "a", mean_case(), pose(6)), shipped_prior())


def refused() -> Subject:
    raise InputError("b/skull.ply: does not look like a skull")


@pytest.fixture(scope="module")
def evaluation(subject: Subject) -> Evaluation:
    """Two subjects and one that is refused; faces 2 mm too wide, told to be unsure by 2 mm, with two samples."""
    twin = dataclasses.replace(subject, name="c")
    subjects: list[tuple[str, Callable[[], Subject]]] = [("a", lambda: subject), ("b", refused), ("c", lambda: twin)]
    method = Swollen(2.0, sd_mm=2.0, samples=(1.0, 3.0))
    return evaluate("wide", method, subjects, warnings=("made up",), count=COUNT)


def rows(evaluation: Evaluation) -> list[dict[str, str]]:
    lines = evaluation_csv(evaluation).splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_a_face_that_is_too_wide_is_scored_as_such(evaluation: Evaluation) -> None:
    assert evaluation.subjects == 3
    assert list(evaluation.unscored) == ["b"]
    for result in evaluation.results:
        whole = result.score.errors.whole
        # Swelling along the normals of vertices moves flat skin by as much, and folds by a little less.
        assert whole.true_to_predicted.signed_mean_mm == pytest.approx(2.0, abs=0.15)
        assert whole.predicted_to_true.signed_mean_mm == pytest.approx(2.0, abs=0.2)
        assert np.median(list(result.depth_error_mm.values())) == pytest.approx(2.0, abs=0.3)
        assert min(result.depth_error_mm.values()) > 0.0
        assert result.score.seconds == 2.0
        # Samples at 1 and 3 mm: about 2 − 2 / 2.
        assert result.energy_mm == pytest.approx(1.0, abs=0.2)
        assert result.surfaces is not None


def test_intervals_that_all_errors_reach_cover_what_they_should(evaluation: Evaluation) -> None:
    assert evaluation.calibration is not None
    coverage = evaluation.calibration.regions[FACE].coverage
    # Errors of about one standard deviation lie outside of 50 % (0.67) and inside of 80 % (1.28).
    assert coverage[0.5].value < 0.1
    assert coverage[0.8].value > 0.95


def test_the_table_tells_warnings_and_who_was_not_scored_first(evaluation: Evaluation) -> None:
    text = evaluation_markdown(evaluation)
    assert text.startswith("# wide: 2 of 3 subjects scored\n\n> **Warning: made up**\n")
    assert "- b: b/skull.ply: does not look like a skull" in text
    assert "over the 2 subjects. Over so few they are too narrow." in text
    for part in ("### Face", *REGIONS, "### Depth of the skin", "| pg |", "### Uncertainty", "### Samples"):
        assert part in text


def test_one_head_has_no_interval(subject: Subject) -> None:
    alone = evaluate("wide", Swollen(2.0), [("a", lambda: subject)], count=COUNT)
    text = evaluation_markdown(alone)
    assert ALONE in text
    assert " to " not in "\n".join(table.markdown() for table in evaluation_tables(alone))
    assert alone.calibration is None
    assert "### Uncertainty" not in text


def test_a_row_for_each_subject_and_region(evaluation: Evaluation) -> None:
    found = rows(evaluation)
    assert evaluation_csv(evaluation).startswith("# Warning: made up\n")
    assert [(row["subject"], row["region"]) for row in found] == [
        *(("a", region) for region in REGIONS),
        *(("c", region) for region in REGIONS),
        ("b", ""),
    ]
    assert found[-1]["reason"] == "b/skull.ply: does not look like a skull"
    face = found[0]
    errors = evaluation.results[0].score.errors
    assert float(face["mean_mm"]) == errors.mean_mm()
    assert float(face["back_mean_mm"]) == errors.whole.predicted_to_true.mean_mm
    assert float(face["predicted_sd_mm"]) == pytest.approx(2.0)
    normal = evaluation.results[0].score.normal
    assert normal is not None
    covered = 100.0 * np.mean(np.abs(normal.error_mm) <= 0.6745 * 2.0)
    assert float(face["covered_50_percent"]) == pytest.approx(covered, abs=0.1)
    parts = sum(int(row["samples"]) for row in found[1 : len(REGIONS)])
    assert parts == int(face["samples"]) == COUNT


def test_the_record_has_all_of_it_in_plain_json(evaluation: Evaluation) -> None:
    record = json.loads(json.dumps(evaluation_dict(evaluation), allow_nan=False))
    assert record["subjects"] == {"given": 3, "scored": 2}
    assert record["warnings"] == ["made up"]
    assert set(record["scores"]) == {"a", "c"}
    score = record["scores"]["a"]
    assert score["true_to_predicted"]["nose"]["mean_mm"] == evaluation.results[0].score.errors.mean_mm("nose")
    assert score["depth_error_mm"]["pg"] == evaluation.results[0].depth_error_mm["pg"]


def test_a_face_in_another_unit_is_scored_and_said(subject: Subject) -> None:
    def far(asked: Subject) -> object:
        answer = Swollen(0.0)(asked)
        answer.prediction.mesh.vertices[:] *= 1e-3
        return answer

    found = evaluate("in metres", far, [("a", lambda: subject)], count=500)  # type: ignore[arg-type]
    assert any("not in the skull's frame and unit" in note for note in found.results[0].notes)
    assert "### Notes" in evaluation_markdown(found)


def test_where_nothing_can_be_scored_the_first_reason_is_told() -> None:
    with pytest.raises(InputError, match="none of 2 subjects could be scored; the first: b/skull"):
        evaluate("none", Swollen(0.0), [("b", refused), ("d", functools.partial(refused))])


def test_the_program_s_own_pairs_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    prior = shipped_prior()
    pair = write_told_pair(tmp_path / "a", mean_case(), pose(7))
    read = functools.partial(read_pair, pair, prior)
    found = evaluate("true", Swollen(0.0), [("a", read)], count=500)
    assert found.results[0].score.errors.mean_mm() < 1e-3
    assert max(map(abs, found.results[0].depth_error_mm.values())) < 1e-3

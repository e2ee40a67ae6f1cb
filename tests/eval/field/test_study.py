"""Methods on made cases: what is scored, what is compared, and what the report says."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from eval.baselines.classic import Parametric
from eval.baselines.mean_head import MeanHead
from eval.face_errors import FACE
from eval.field.report import as_dict, markdown, tables
from eval.field.scores import Prediction, kept_scores, score_cases, true_face
from eval.field.study import LINEAR, LINEAR_TOLD, MEAN, MEAN_TRUE, PARAMETRIC, TOLD, FieldStudy, study_field
from eval.held_out.case import HeldOutCase, Placed
from eval.regression.linear_reference import LinearReference
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.eval.regression.test_linear_reference import people
from tests.held_out_made import held_out_case, refused_case
from tests.skulls_made import shipped_prior

FULL_MM, OFF_MM, SD_MM = 0.3, 1.0, 1.0


class Knowing:
    """Predicts the true head, `OFF_MM` too large, less if it is told the fullness; says how sure it is."""

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        case = next(case for case in undamaged() if case.placed is placed)
        head = case.head.transformed(placed.T_aligned_head)
        off = OFF_MM - (FULL_MM if fullness is not None else 0.0)
        # A little more over the brow, so that where it is wrong can be known.
        sizes = off * (1.0 + 0.5 * (head.vertices[:, 1] > 20.0))
        grown = Mesh(head.vertices + sizes[:, None] * head.vertex_normals(), head.faces)
        return Prediction(grown, sd_mm=SD_MM * sizes / off)


def undamaged() -> list[HeldOutCase]:
    return [held_out_case(0), held_out_case(1)]


@functools.cache
def study() -> FieldStudy:
    reference = LinearReference.train(people(), shipped_prior(), shipped_prior())
    damaged = [held_out_case(0), refused_case(1)]
    return study_field({"knowing": Knowing()}, undamaged(), damaged, shipped_prior(), reference)


def test_a_known_error_is_found() -> None:
    scores = score_cases(Knowing(), undamaged())
    assert set(scores) == {0, 1}
    for score in scores.values():
        assert OFF_MM < score.errors.mean_mm() < 1.5 * OFF_MM
        assert score.errors.mean_mm("jaw") == pytest.approx(OFF_MM, abs=0.15)
        assert score.errors.mean_mm("brow") > score.errors.mean_mm("jaw")
        assert score.normal is not None


def test_all_methods_are_run_on_both_sets() -> None:
    found = study()
    assert found.judged == "knowing"
    assert list(found.undamaged.scores) == ["knowing", "knowing" + TOLD, MEAN, PARAMETRIC]
    assert list(found.damaged.scores) == ["knowing", MEAN, PARAMETRIC]
    assert set(found.linear) == {LINEAR, LINEAR_TOLD, MEAN_TRUE}
    assert found.damaged.refused == [1]
    assert not found.undamaged.gross
    assert [len(scores) for scores in found.damaged.scores.values()] == [1, 1, 1]
    assert set(found.undamaged.calibration) == {"knowing", "knowing" + TOLD}


def test_the_linear_reference_and_its_mean_head_lie_in_the_face() -> None:
    for name in (LINEAR, LINEAR_TOLD, MEAN_TRUE):
        assert all(0.3 < score.errors.mean_mm() < 12.0 for score in study().linear[name].values())


def test_the_report_compares_person_by_person() -> None:
    found = study()
    goals = {row[0]: row for row in tables(found)[0].rows}
    own = np.mean([score.errors.mean_mm() for score in found.undamaged.scores["knowing"].values()])
    linear = np.mean([score.errors.mean_mm() for score in found.linear[LINEAR].values()])
    ratio = goals["undamaged: ÷ linear"][1]
    assert ratio.value == pytest.approx(own / linear)  # type: ignore[union-attr]
    # Person 1's damaged skull was refused, so the reference is person 0's alone.
    alone = found.damaged.scores["knowing"][0].errors.mean_mm() / found.linear[LINEAR][0].errors.mean_mm()
    assert goals["damaged: ÷ linear"][1].value == pytest.approx(alone)  # type: ignore[union-attr]
    (gains,) = (table for table in tables(found) if table.title.startswith("What the fullness is worth"))
    assert gains.rows[0][1].value == pytest.approx(FULL_MM, abs=0.15)  # type: ignore[union-attr]


def test_the_report_reads_and_is_plain_data() -> None:
    text = markdown(study())
    for expected in (
        "Goals for knowing",
        "by kind of damage",
        "0 of 2, 1 of 2",
        "| nose |",
        "Parametric route frozen at",
    ):
        assert expected in text
    assert all(line.count("|") > 2 for line in text.splitlines() if line.startswith("|"))
    plain = json.loads(json.dumps(as_dict(study()), allow_nan=False))
    assert plain["refused"] == {"undamaged": [], "damaged": [1]}
    assert set(plain["cases_mean_mm"]["linear"][LINEAR]) == {"0", "1"}


def test_scores_that_are_kept_are_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    made = kept_scores(path, lambda: score_cases(MeanHead(shipped_prior().head_mesh()), undamaged()))
    read = kept_scores(path, lambda: pytest.fail("made again"))
    assert read[0].errors.mean_mm(FACE) == made[0].errors.mean_mm(FACE)
    assert read == made


def test_what_a_method_refuses_has_no_score() -> None:
    def refusing(placed: Placed, fullness: float | None) -> Prediction:
        raise InputError("too few landmarks")

    said: list[str] = []
    assert score_cases(refusing, undamaged(), say=said.append) == {}
    assert "too few landmarks" in said[1]


def test_samples_tell_the_spread_where_nothing_else_does() -> None:
    mean = shipped_prior().head_mesh()
    samples = [Mesh(mean.vertices + np.array([0.0, 0.0, shift]), mean.faces) for shift in (-2.0, 2.0)]
    spread = Prediction(mean, samples=samples).spread()
    assert spread is not None
    assert spread.min() >= 0.0
    assert 2.0 < spread.max() < 2.0 * 2.0**0.5 + 0.1
    assert Prediction(mean).spread() is None


def test_baselines() -> None:
    prior, case = shipped_prior(), held_out_case(0)
    assert case.placed is not None
    mean = MeanHead(prior.head_mesh())
    assert mean(case.placed, None).mesh is mean.mesh
    fitted = score_cases(Parametric.of(prior), [case])[0].errors.mean_mm()
    assert fitted < score_cases(mean, [case])[0].errors.mean_mm()
    assert true_face(case).triangles.any()

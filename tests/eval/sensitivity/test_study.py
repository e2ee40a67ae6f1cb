"""Sensitivity: harm has the size that is asked for, exact placing is exact, and a known method's levels come out."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest

import eval.sensitivity.study
from data.cohort.case import Case
from data.shipped import JAW_OPEN_ICT, PRIOR, PRIOR_ICT
from eval.baselines.mean_head import MeanHead
from eval.bench.align import FacePoints
from eval.bootstrap import Estimate
from eval.field.scores import Prediction
from eval.held_out.case import Placed
from eval.held_out.cases import UNDAMAGED, HeldOutSet
from eval.held_out.exact_harm import NO_HARM, ExactHarm
from eval.sensitivity.exact_place import exactly_placed
from eval.sensitivity.levels import FULLNESS, LEVELS, PLACING, Level
from eval.sensitivity.report import sensitivity_dict, sensitivity_markdown, sensitivity_panels, sensitivity_tables
from eval.sensitivity.study import Measured, Sensitivity, measure_levels
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from tests.cohort_made import maker
from tests.held_out_made import held_out_case, refused_case
from tests.skulls_made import pose, shipped_prior

HELD_OUT = HeldOutSet(PRIOR, PRIOR_ICT, JAW_OPEN_ICT, UNDAMAGED)


@functools.cache
def drawn() -> Case:
    return maker(UNDAMAGED).case(0)


def skull(exact: ExactHarm) -> Mesh:
    """Of one person; head frame, mm."""
    made, case = maker(UNDAMAGED), drawn()
    harm = exact.on(case.harm, made.generator.skeleton, case.body.skeleton)
    return made.skull(dataclasses.replace(case, harm=harm))


def test_parts_that_are_missing() -> None:
    whole = skull(NO_HARM)
    vault, chin = whole.vertices[:, 1].max(), whole.vertices[:, 1].min()
    # A cut's face is bone folded over, not quite level.
    sawn = skull(ExactHarm(calvarium_cut=0.4))
    assert sawn.vertices[:, 1].max() == pytest.approx(0.4 * vault, abs=1.5)
    assert sawn.vertices[:, 1].min() == pytest.approx(chin, abs=0.01)
    half = skull(ExactHarm(half=True))
    assert half.vertices[:, 0].min() == pytest.approx(0.0, abs=1.5)
    assert half.vertices[:, 0].max() == pytest.approx(whole.vertices[:, 0].max(), abs=0.01)
    upper = skull(ExactHarm(mandible_missing=True))
    assert upper.vertices[:, 1].min() > chin + 25.0
    assert upper.vertices[:, 1].max() == pytest.approx(vault, abs=0.01)


def test_noise_has_the_size_that_is_asked_for() -> None:
    whole, noisy = skull(NO_HARM), skull(ExactHarm(noise_mm=1.0))
    assert noisy.vertices.shape == whole.vertices.shape
    moved = np.linalg.norm(noisy.vertices - whole.vertices, axis=1)
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(1.0, abs=0.15)


def test_large_voxels_roughen_bone_and_lose_what_is_thin() -> None:
    whole = skull(NO_HARM).vertices
    fine, coarse = (DistanceScene(skull(ExactHarm(voxel_mm=edge))).distance(whole) for edge in (0.5, 3.0))
    assert np.median(coarse) > 2.0 * np.median(fine)
    # Terraces are lower than this; bone that is gone is farther.
    assert np.mean(coarse > 1.2) > np.mean(fine > 1.2) + 5e-4


def test_every_set_is_kept_apart() -> None:
    """And the test set as it is keeps its place, whatever else sets may differ in."""
    others = [level.of(HELD_OUT) for level in LEVELS if level.of(HELD_OUT) != HELD_OUT]
    assert {level.kind for level in LEVELS if level.of(HELD_OUT) == HELD_OUT and not level.base} == {PLACING, FULLNESS}
    assert len({held_out.digest for held_out in (HELD_OUT, *others)}) == 1 + len(others)


def test_exact_placing() -> None:
    case, right = held_out_case(0), pose(2)
    placed = exactly_placed(case, right).placed
    assert placed is not None
    assert case.placed is not None
    np.testing.assert_array_equal(placed.T_aligned_head, right)
    # Back in the true head frame, bone is where it was.
    for before, after in (
        (case.placed.skull.vertices, placed.skull.vertices),
        (case.placed.alignment.bone_points, placed.alignment.bone_points),
        (np.stack(list(case.placed.alignment.landmarks.values())), np.stack(list(placed.alignment.landmarks.values()))),
    ):
        home = [
            transform_points(np.linalg.inv(transform), points)
            for transform, points in ((case.placed.T_aligned_head, before), (right, after))
        ]
        np.testing.assert_allclose(home[1], home[0], atol=1e-6)
    told = exactly_placed(case, right, landmarks=True).placed
    assert told is not None
    for name, point in told.alignment.landmarks.items():
        np.testing.assert_allclose(point, transform_points(right, case.landmarks[name]))
    assert set(told.alignment.landmarks) == set(case.landmarks)
    assert exactly_placed(refused_case(1), right).placed is None


class AsFullAsTold:
    """Predicts the true head, 1 mm larger for each standard deviation of fullness; 3 mm if it is not told."""

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        case = held_out_case(0)
        off = 3.0 if fullness is None else fullness - case.fullness
        head = case.head.transformed(placed.T_aligned_head)
        return Prediction(Mesh(head.vertices + off * head.vertex_normals(), head.faces))


@functools.cache
def study() -> Sensitivity:
    levels = [level for level in LEVELS if level.kind in (FULLNESS, PLACING)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eval.sensitivity.study, "make_held_out", lambda *_, **__: [held_out_case(0), refused_case(1)])
        measured = measure_levels(
            {"told": AsFullAsTold(), "mean": MeanHead(shipped_prior().head_mesh())},
            levels,
            HELD_OUT,
            [0, 1],
            Path(),
            lambda case: pose(5),
            FacePoints.of(shipped_prior()),
        )
    return Sensitivity([0, 1], measured, {"ridge": np.array([1.5, 2.5])})


def found(kind: str, label: str) -> Measured:
    return next(each for each in study().measured if (each.level.kind, each.level.label) == (kind, label))


def test_levels_of_a_known_method() -> None:
    for off in (-2, -1, 1, 2):
        errors = found(FULLNESS, f"{off:+d}").errors["told"]
        assert errors[0] == pytest.approx(abs(off), abs=0.2)
        assert np.isnan(errors[1])
    assert found(FULLNESS, "0").errors["told"][0] < 0.01
    automatic = found(PLACING, "automatic")
    assert automatic.level.base
    assert automatic.errors["told"][0] == pytest.approx(3.0, abs=0.4)
    assert (automatic.refused, automatic.gross) == ([1], [])
    # This pose is wrong by as much as can be: who lies still misses, who follows the skull does not.
    exact = found(PLACING, "exact pose")
    assert exact.gross == [0]
    assert exact.errors["mean"][0] > 30.0
    assert exact.errors["told"][0] == pytest.approx(automatic.errors["told"][0], abs=0.05)


def test_the_report() -> None:
    told, mean, floors = sensitivity_tables(study())
    assert told.title == "told: one thing at a time"
    rows = {row[:2]: row for row in told.rows}
    more = rows[FULLNESS, "+1"][5]
    assert isinstance(more, Estimate)
    assert more.value == pytest.approx(-2.0, abs=0.4)
    assert rows[PLACING, "automatic"][5] == "–"
    assert rows[PLACING, "automatic"][6] == 1
    assert len(mean.rows) == len(told.rows)
    assert floors.rows[0][2].value == 2.0  # type: ignore[union-attr]
    text = sensitivity_markdown(study())
    assert all(line.count("|") > 2 for line in text.splitlines() if line.startswith("|"))
    plain = json.loads(json.dumps(sensitivity_dict(study()), allow_nan=False))
    assert plain["levels"][0]["mean_mm"]["told"][1] is None
    assert plain["floors_mean_mm"] == {"ridge": [1.5, 2.5]}


def test_panels() -> None:
    placing, fullness = sensitivity_panels(study())
    assert placing.levels == ["automatic", "exact pose", "exact landmarks"]
    assert fullness.x_label == FULLNESS
    assert set(fullness.lines) == {"told", "mean"}
    numbers = [Measured(Level("voxels", label), {"own": np.ones(2)}, [], []) for label in ("0", "0.5")]
    assert sensitivity_panels(Sensitivity([0, 1], numbers, {}))[0].levels == [0.0, 0.5]

"""`s2f bench align`: what an error is, which are kept, what the table says; and one skull is aligned."""

from __future__ import annotations

import io
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.transform import Rotation

from data.cohort.pose_errors import read_pose_errors
from eval.bench.align import (
    GROSS_SHIFT_MM,
    GROSS_TURN_DEG,
    AlignedCase,
    FacePoints,
    aligner_error,
    displacement_mm,
    is_gross,
    kept_errors,
    turn_deg,
)
from eval.bench.align_table import GROUPS, MEASURES, AlignTable
from fields.mesh import transform_points
from flame_jax.errors import InputError
from s2f.cli import BAD_INPUT, main
from tests.skulls_made import pose, shipped_prior

POINTS = FacePoints(np.array([0.0, 20.0, 100.0]), np.array([0.0, -90.0, 75.0]), np.array([0.0, -10.0, 90.0]))
TURN = np.array([0.03, -0.05, 0.02])
SHIFT = np.array([1.0, -2.0, 0.5])


def rigid(turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = Rotation.from_rotvec(turn).as_matrix(), shift
    return transform


def shifted(mm: float, number: int = 0, *kinds: str) -> AlignedCase:
    return AlignedCase(number, kinds, rigid(np.zeros(3), np.array([mm, 0.0, 0.0])))


@pytest.mark.parametrize("seed", [0, 1])
def test_an_error_is_what_the_aligner_does_after_the_truth(seed: int) -> None:
    truth, wrong = pose(seed), rigid(TURN, SHIFT)
    # Such an aligner undoes the pose, and then moves the skull in the head frame.
    found = wrong @ np.linalg.inv(truth)
    error = aligner_error(found, truth)
    np.testing.assert_allclose(error, wrong, atol=1e-9)
    # A bone point at x in the truth is seen at x' by all who use what was found.
    point = np.array([10.0, -80.0, 70.0])
    seen = transform_points(found, transform_points(truth, point))
    np.testing.assert_allclose(seen, transform_points(error, point), atol=1e-9)


def test_a_known_motion_comes_back_from_what_is_kept() -> None:
    kept = kept_errors([AlignedCase(0, (), rigid(TURN, SHIFT))], POINTS)
    np.testing.assert_allclose(kept.turns, TURN[None], atol=1e-7)
    np.testing.assert_allclose(kept.shifts, SHIFT[None], atol=1e-6)
    np.testing.assert_allclose(kept.draw(jax.random.key(0)), rigid(TURN, SHIFT), atol=1e-5)


def test_turn_and_displacement() -> None:
    quarter = rigid(np.array([0.0, np.pi / 2, 0.0]), np.array([0.0, 5.0, 0.0]))
    assert turn_deg(quarter) == pytest.approx(90.0)
    # z goes to x: a point 100 mm in front of the axis moves along a square's diagonal, and up.
    assert displacement_mm(quarter, np.array([0.0, 20.0, 100.0])) == pytest.approx((2 * 100.0**2 + 5.0**2) ** 0.5)


@pytest.mark.parametrize(("factor", "gross"), [(0.99, False), (1.01, True)])
def test_gross_is_a_large_turn_or_a_large_displacement(factor: float, gross: bool) -> None:
    assert is_gross(rigid(np.zeros(3), np.array([0.0, 0.0, factor * GROSS_SHIFT_MM])), POINTS) is gross
    # About an axis through the centre of the face, which stays.
    turn = rigid(np.array([0.0, 0.0, np.radians(factor * GROSS_TURN_DEG)]), np.zeros(3))
    turn[:3, 3] = POINTS.centre - turn[:3, :3] @ POINTS.centre
    assert is_gross(turn, POINTS) is gross


def test_gross_and_refused_cases_are_not_kept() -> None:
    cases = [shifted(2.0), AlignedCase(1, (), None), shifted(100.0, 2), shifted(4.0, 3)]
    np.testing.assert_allclose(kept_errors(cases, POINTS).shifts[:, 0], [2.0, 4.0])
    with pytest.raises(InputError, match="none of 2 skulls was aligned; give a larger --count"):
        kept_errors(cases[1:3], POINTS)


def test_table_counts_and_takes_quantiles_over_what_is_kept() -> None:
    cases = [shifted(float(mm), mm) for mm in range(11)]
    cases += [AlignedCase(11, ("half",), None), shifted(200.0, 12, "half", "outside_only")]
    table = AlignTable.of(cases, POINTS)
    rows = {row.group: row for row in table.rows}
    assert set(rows) == {"all", "whole and shut", "half", "laser scan"}
    assert list(rows) == [name for name in GROUPS if name in rows]
    assert (rows["all"].cases, rows["all"].refused, rows["all"].gross) == (13, 1, 1)
    for name in MEASURES:
        expected = [0.0] * 4 if name == "turn, °" else [5.0, 9.0, 9.5, 10.0]
        assert rows["all"].quantiles[name] == pytest.approx(expected, abs=1e-9)
        assert rows["half"].quantiles[name] is None
    assert table.failures == ("refused, as not a skull: case 11", "gross: case 12")
    console = Console(width=80, record=True, file=io.StringIO())
    table.print(console)
    shown = console.export_text()
    for text in ("skulls: 13", "refused: 1", "gross: 1", "9.50", "gross: case 12"):
        assert text in shown


def test_face_points_lie_in_the_face() -> None:
    points = FacePoints.of(shipped_prior())
    assert points.nasion[1] > points.centre[1] > points.menton[1]
    assert abs(points.centre[0]) < 1.0
    assert points.centre[2] > 70.0


def test_one_skull_is_aligned_and_its_error_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "errors.npz"
    arguments = ["bench", "align", "--count", "1", "--out", str(out)]
    assert main(arguments) == 0
    assert "skulls: 1 " in capsys.readouterr().out
    errors = read_pose_errors(out)
    assert errors.turns.shape == (1, 3)
    assert np.degrees(np.linalg.norm(errors.turns)) < 5.0
    assert np.linalg.norm(errors.shifts) < 10.0
    assert main(arguments) == BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [(["--count", "0"], "--count 0"), (["--out", "e.json"], "e.json")])
def test_impossible_options_are_refused_before_any_work(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "align", *arguments]) == BAD_INPUT
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

"""Measured errors of the aligner: kept in a file, drawn evenly, and rigid."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.cohort.pose_errors import PoseErrors, no_pose_errors, read_pose_errors, write_pose_errors
from data.shipped import POSE_ERRORS
from flame_jax.errors import InputError


def made(count: int = 4) -> PoseErrors:
    rng = np.random.default_rng(0)
    return PoseErrors(
        (0.1 * rng.normal(size=(count, 3))).astype(np.float32), (3.0 * rng.normal(size=(count, 3))).astype(np.float32)
    )


def transforms(errors: PoseErrors) -> np.ndarray:
    """All of them as 4×4, by scipy."""
    rigid = np.tile(np.eye(4), (len(errors.turns), 1, 1))
    rigid[:, :3, :3] = Rotation.from_rotvec(np.asarray(errors.turns)).as_matrix()
    rigid[:, :3, 3] = errors.shifts
    return rigid


def drawn(errors: PoseErrors, count: int) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(errors.draw))(jax.random.split(jax.random.key(1), count)))


def test_come_back_from_a_file(tmp_path: Path) -> None:
    errors = made()
    write_pose_errors(tmp_path / "errors.npz", errors)
    again = read_pose_errors(tmp_path / "errors.npz")
    np.testing.assert_array_equal(again.turns, errors.turns)
    np.testing.assert_array_equal(again.shifts, errors.shifts)


def test_a_missing_file_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.npz: no such file; .*s2f bench align"):
        read_pose_errors(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"turns": np.zeros((2, 3))},
        {"turns": np.zeros((2, 3)), "shifts": np.zeros((3, 3))},
        {"turns": np.zeros((2, 4)), "shifts": np.zeros((2, 4))},
        {"turns": np.zeros(3), "shifts": np.zeros(3)},
        {"turns": np.zeros((0, 3)), "shifts": np.zeros((0, 3))},
        {"turns": np.full((2, 3), np.nan), "shifts": np.zeros((2, 3))},
        {"turns": np.array(["a"]), "shifts": np.array(["b"])},
        {"turns": np.array([{}], dtype=object), "shifts": np.zeros((1, 3))},
    ],
)
def test_something_else_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "else.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"else\.npz: no errors of an aligner, or damaged; .*s2f bench align"):
        read_pose_errors(tmp_path / "else.npz")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "errors.npz"
    write_pose_errors(path, made())
    whole = path.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    for content in (b"", b"not a zip", whole[: len(whole) // 2], (tmp_path / "array.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no errors of an aligner, or damaged"):
            read_pose_errors(path)


def test_draws_each_of_the_measured_ones_equally_often() -> None:
    errors, count = made(4), 4_000
    gap = np.abs(drawn(errors, count)[:, None] - transforms(errors)[None]).max(axis=(2, 3))
    assert gap.min(axis=1).max() < 1e-5
    often = np.bincount(gap.argmin(axis=1), minlength=4)
    # Five standard deviations of a binomial number.
    assert np.abs(often - count / 4).max() < 5.0 * (count * 0.25 * 0.75) ** 0.5


def test_draws_are_rigid() -> None:
    rigid = drawn(made(), 20)
    turn = rigid[:, :3, :3]
    np.testing.assert_allclose(turn @ turn.transpose(0, 2, 1), np.tile(np.eye(3), (20, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(turn), 1.0, atol=1e-5)
    np.testing.assert_array_equal(rigid[:, 3], np.tile([0.0, 0.0, 0.0, 1.0], (20, 1)))


def test_a_perfect_aligner_moves_nothing() -> None:
    np.testing.assert_array_equal(drawn(no_pose_errors(), 3), np.tile(np.eye(4), (3, 1, 1)))


def test_those_shipped_are_small_and_many() -> None:
    errors = read_pose_errors(POSE_ERRORS)
    assert len(errors.turns) > 150
    degrees = np.degrees(np.linalg.norm(errors.turns, axis=1))
    assert 0.5 < np.median(degrees) < 4.0
    assert degrees.max() < 20.0

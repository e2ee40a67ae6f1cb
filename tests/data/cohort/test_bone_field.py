"""The law of the bones' own displacement, exactly: from its basis, not from samples."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.bone_field import BoneField, bone_field

LENGTH = 20.0
LEFT_RIGHT = 0.8


def domain() -> np.ndarray:
    """A block on both sides of the midline; points come in mirrored pairs."""
    left = np.random.default_rng(0).uniform([0.0, 0.0, 0.0], [60.0, 50.0, 50.0], (600, 3))
    return np.concatenate([left, left * [-1.0, 1.0, 1.0]])


def left_points(least_x: float, count: int = 60) -> np.ndarray:
    """Well within the block, so far from the midline."""
    return np.random.default_rng(1).uniform([least_x, 5.0, 5.0], [58.0, 45.0, 45.0], (count, 3))


def made(points: np.ndarray, left_right: float = LEFT_RIGHT) -> BoneField:
    return bone_field(points, domain(), length_mm=LENGTH, left_right=left_right)


def root(field: BoneField) -> np.ndarray:
    """All displacements per standard normal number, points × 3 × size: what its covariance is made of."""
    moves = jax.vmap(field.displacement)(jnp.eye(field.size))
    return np.moveaxis(np.asarray(moves, dtype=np.float64), 0, 2)


def test_unit_variance_in_each_direction_away_from_the_midline() -> None:
    moves = root(made(left_points(1.2 * LENGTH)))
    covariance = np.einsum("pis,pjs->pij", moves, moves)
    np.testing.assert_allclose(covariance, np.tile(np.eye(3), (len(moves), 1, 1)), atol=5e-3)


@pytest.mark.parametrize("left_right", [0.0, 0.6, 1.0])
def test_the_two_sides_correlate_as_wanted(left_right: float) -> None:
    points = left_points(1.5 * LENGTH)
    here, there = np.split(root(made(np.concatenate([points, points * [-1.0, 1.0, 1.0]]), left_right)), 2)
    covariance = np.einsum("pis,pjs->pij", here, there)
    # A mirrored displacement has the other sign along x.
    wanted = left_right * np.diag([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(covariance, np.tile(wanted, (len(points), 1, 1)), atol=5e-3)


def test_falls_with_distance_as_the_process_does() -> None:
    points = left_points(1.5 * LENGTH)
    moves = root(made(points))
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    wanted = np.exp(-0.5 * squared / LENGTH**2)
    for axis in range(3):
        np.testing.assert_allclose(moves[:, axis] @ moves[:, axis].T, wanted, atol=0.04)
    # The points are far enough apart for that to say something.
    assert np.ptp(wanted) > 0.9


def test_the_midline_moves_sideways_only_as_far_as_the_sides_differ() -> None:
    points = left_points(1.0) * [0.0, 1.0, 1.0]
    variance = (root(made(points)) ** 2).sum(axis=2)
    symmetric, rest = 0.5 * (1.0 + LEFT_RIGHT), 0.5 * (1.0 - LEFT_RIGHT)
    np.testing.assert_allclose(variance, np.tile([rest, symmetric, symmetric], (len(points), 1)), atol=1e-3)
    assert np.abs(root(made(points, 1.0))[:, 0]).max() < 1e-3


def test_variance_never_exceeds_one_and_is_smooth_near_the_midline() -> None:
    points = np.stack([np.linspace(-30.0, 30.0, 61), np.full(61, 25.0), np.full(61, 25.0)], axis=1)
    moves = root(made(points))
    variance = (moves**2).sum(axis=2)
    assert variance.max() < 1.0 + 1e-3
    # Neighbours a millimetre apart move alike, also across the midline.
    difference = np.sqrt((np.diff(moves, axis=0) ** 2).sum(axis=2))
    assert difference.max() < 0.15


def test_the_same_numbers_make_the_same_field_at_any_points() -> None:
    points = left_points(0.0, 30)
    whole, part = made(points), made(points[10:15])
    assert whole.size == part.size
    noise = np.random.default_rng(2).standard_normal(whole.size).astype(np.float32)
    np.testing.assert_allclose(part.displacement(noise), whole.displacement(noise)[10:15], atol=1e-4)


@pytest.mark.parametrize(("length", "least", "most"), [(20.0, 150, 400), (60.0, 20, 80)])
def test_size_counts_the_numbers_and_goes_by_the_length(length: float, least: int, most: int) -> None:
    field = bone_field(left_points(0.0, 5), domain(), length_mm=length, left_right=LEFT_RIGHT)
    assert field.displacement(jnp.zeros(field.size)).shape == (5, 3)
    assert least < field.size < most
    # Each number moves something: none is idle.
    everywhere = bone_field(domain()[::4], domain(), length_mm=length, left_right=LEFT_RIGHT)
    assert np.abs(root(everywhere)).max(axis=(0, 1)).min() > 1e-4

"""What planes, holes and cracks take away: which side of them points are on, and how far."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.cuts import CRACKS, HOLES, NEVER_MM, Cracks, Holes, inside_bone, inside_cracks, inside_planes
from data.cohort.waves import wave

UP = np.array([0.0, 1.0, 0.0], np.float32)
NO_PLANES = np.array([[0.0, 1.0, 0.0, NEVER_MM]] * 2, np.float32)
_bone, _planes, _cracks = jax.jit(inside_bone), jax.jit(inside_planes), jax.jit(inside_cracks)


def points_about(centre: np.ndarray, reach: float, count: int = 4_000) -> np.ndarray:
    return (centre + np.random.default_rng(0).uniform(-reach, reach, (count, 3))).astype(np.float32)


def holes(*, wavy: bool, radii: tuple[float, ...] = (10.0,)) -> Holes:
    """At places along x, 30 mm apart; the others are none."""
    rng = np.random.default_rng(1)
    waves = 0.6 * rng.normal(size=(HOLES, 6, 4)) if wavy else np.zeros((HOLES, 6, 4))
    centres = np.zeros((HOLES, 3))
    centres[:, 0] = 30.0 * np.arange(HOLES)
    sizes = np.concatenate([radii, np.zeros(HOLES - len(radii))])
    return Holes(centres.astype(np.float32), sizes.astype(np.float32), waves.astype(np.float32))


def crack(*, winding: bool = False, half_length: float = 30.0) -> Cracks:
    """One about the origin, along y and through z, 1 mm wide; its slab is three-dimensional."""
    lengths = np.zeros(CRACKS, np.float32)
    lengths[1] = half_length
    return Cracks(
        centres=np.zeros((CRACKS, 3), np.float32),
        across=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (CRACKS, 1)),
        along=np.tile(UP, (CRACKS, 1)),
        half_width=np.full(CRACKS, 0.5, np.float32),
        half_length=lengths,
        wave=np.tile(np.array([1.0 / 30.0 if winding else 0.0, 0.0], np.float32), (CRACKS, 1)),
    )


def test_the_nearest_plane_counts():
    planes = np.array([[0.0, -1.0, 0.0, 20.0], [0.6, 0.0, 0.8, 5.0]], np.float32)
    points = points_about(np.zeros(3), 50.0)
    expected = np.minimum(20.0 - points[:, 1], points @ [0.6, 0.0, 0.8] + 5.0)
    np.testing.assert_allclose(_planes(planes, points), expected, atol=1e-4)
    inside, towards = _bone(planes, holes(wavy=False, radii=()), points)
    np.testing.assert_allclose(inside, expected, atol=1e-4)
    first = 20.0 - points[:, 1] < points @ [0.6, 0.0, 0.8] + 5.0
    np.testing.assert_allclose(towards, np.where(first[:, None], planes[0, :3], planes[1, :3]), atol=1e-6)


def test_nothing_is_cut_where_nothing_is_drawn():
    inside, _ = _bone(NO_PLANES, holes(wavy=True, radii=()), points_about(np.zeros(3), 200.0))
    assert (np.asarray(inside) > 500.0).all()


def test_round_holes_are_spheres_of_which_the_nearest_counts():
    points = points_about(np.array([15.0, 0.0, 0.0]), 30.0)
    inside, towards = _bone(NO_PLANES, holes(wavy=False, radii=(10.0, 5.0)), points)
    offsets = points[:, None] - np.array([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0]])
    distance = np.linalg.norm(offsets, axis=2)
    both = distance - [10.0, 5.0]
    np.testing.assert_allclose(inside, both.min(axis=1), atol=1e-4)
    outward = np.take_along_axis(offsets / distance[:, :, None], both.argmin(axis=1)[:, None, None], axis=1)[:, 0]
    # Not at the very place where two are as near.
    clear = np.abs(both[:, 0] - both[:, 1]) > 1e-3
    np.testing.assert_allclose(np.asarray(towards)[clear], outward[clear], atol=1e-3)


def test_wavy_holes_have_one_outline_near_their_radius():
    directions = np.random.default_rng(2).normal(size=(2_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    edge = []
    for radius in (2.0, 10.0, 25.0):
        inside, _ = _bone(NO_PLANES, holes(wavy=True), (radius * directions).astype(np.float32))
        edge.append(radius - np.asarray(inside))
    # The edge depends on the direction alone.
    np.testing.assert_allclose(edge[1], edge[0], atol=1e-2)
    np.testing.assert_allclose(edge[2], edge[1], atol=1e-2)
    assert (np.abs(edge[1] - 10.0) < 6 * 0.12 * 10.0 + 0.1).all()
    assert 1.0 < edge[1].std() < 3.0


def test_the_direction_is_that_in_which_it_grows():
    cut, planes = holes(wavy=True), np.array([[0.0, -1.0, 0.0, 12.0], [1.0, 0.0, 0.0, 60.0]], np.float32)
    points = points_about(np.zeros(3), 18.0)
    points = points[np.linalg.norm(points, axis=1) > 4.0]
    inside, towards = (np.asarray(value) for value in _bone(planes, cut, points))
    step = np.float32(0.02)
    slope = np.stack(
        [
            (np.asarray(_bone(planes, cut, points + step * axis)[0]) - _bone(planes, cut, points - step * axis)[0])
            / (2 * step)
            for axis in np.eye(3, dtype=np.float32)
        ],
        axis=1,
    )
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(towards, axis=1), 1.0, atol=1e-4)
    # Differences go wrong where plane and hole, or two parabolas, meet within a step.
    assert (np.abs(slope - towards).max(axis=1) < 0.02).mean() > 0.99
    assert (inside < 0.0).any()


@pytest.mark.parametrize(("along", "half"), [(0.0, 0.5), (15.0, 0.5), (-25.0, 0.25), (29.0, 0.05), (31.0, 0.0)])
def test_a_straight_crack_is_as_wide_as_is_said_and_closes_at_its_ends(along, half):
    places = np.zeros((401, 3), np.float32)
    places[:, 0], places[:, 1] = np.linspace(-2.0, 2.0, 401), along
    walls = np.asarray(_cracks(crack(), places))
    gone: np.ndarray = np.all(walls > 0.0, axis=2)
    # Those without length take nothing.
    assert not gone[:, [0, 2, 3]].any()
    assert gone[:, 1].sum() * 0.01 == pytest.approx(2.0 * half, abs=0.03)
    # Of the two walls each knows its side.
    assert ((walls[:, 1, 0] > walls[:, 1, 1]) == (places[:, 0] > 0.0))[np.abs(places[:, 0]) > 0.01].all()


def test_a_winding_crack_stays_near_its_line():
    heights = np.linspace(-19.0, 19.0, 77)
    gone = np.concatenate([[[x, y, 0.0] for x in np.linspace(-4.0, 4.0, 401)] for y in heights]).astype(np.float32)
    walls = np.asarray(_cracks(crack(winding=True), gone))[:, 1]
    inside = (walls > 0.0).all(axis=1).reshape(77, 401)
    middle = (inside * np.linspace(-4.0, 4.0, 401)).sum(axis=1) / inside.sum(axis=1)
    np.testing.assert_allclose(middle, -2.0 * np.asarray(wave(jnp.asarray(heights) / 30.0)), atol=0.02)
    # It goes through bone of any thickness, away from its ends.
    walls = np.asarray(_cracks(crack(winding=True), gone + np.array([0.0, 0.0, 8.0], np.float32)))[:, 1]
    below = (walls > 0.0).all(axis=1).reshape(77, 401)
    np.testing.assert_array_equal(below[np.abs(heights) < 15.0], inside[np.abs(heights) < 15.0])


def test_cracks_lie_where_their_axes_are():
    turned = dataclasses.replace(
        crack(),
        across=np.tile(np.array([0.0, 0.0, 1.0], np.float32), (CRACKS, 1)),
        along=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (CRACKS, 1)),
    )
    points = points_about(np.zeros(3), 25.0)
    before = np.asarray(_cracks(crack(), points[:, [2, 0, 1]]))
    np.testing.assert_allclose(np.asarray(_cracks(turned, points)), before, atol=1e-4)

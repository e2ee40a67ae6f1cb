"""Space carried along by heads of the shipped prior: their surfaces come to lie on the mean head."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.face_region import face_triangles
from fields.distance import SurfacePoints
from fields.head_warp import mean_distance, on_nodes, unwarped
from fields.latent import HeadPose
from fields.mesh import Mesh
from fields.sampling import sample_surface
from tests.fields_made import tiny_prior
from tests.skulls_made import shipped_prior

POINTS = 8_000
_unwarped, _distance, _on_nodes = jax.jit(unwarped), jax.jit(mean_distance), jax.jit(on_nodes)


@functools.cache
def mean() -> Mesh:
    return Mesh(np.asarray(tiny_prior().mean, np.float64), np.asarray(tiny_prior().faces))


@functools.cache
def displacement(seed: int, opening: float = 0.0) -> np.ndarray:
    """Of a head drawn at random."""
    prior = tiny_prior()
    betas = np.random.default_rng(seed).normal(size=prior.modes.shape[2]).astype(np.float32)
    return np.asarray(prior.displacement(HeadPose(betas, jnp.float32(opening), jnp.eye(4))))


def face_of(moved: np.ndarray) -> SurfacePoints:
    """Points of a moved head's face."""
    region = face_triangles(mean(), shipped_prior().landmark_points())
    return sample_surface(Mesh(mean().vertices + moved, mean().faces), POINTS, seed=0, face_mask=region)


@pytest.mark.parametrize("seed", range(4))
def test_a_head_s_face_is_where_the_distance_is_zero(seed: int) -> None:
    moved = displacement(seed)
    assert np.linalg.norm(moved, axis=1).max() > 5.0
    face = face_of(moved)
    places = _unwarped(tiny_prior().grids, moved, face.points.astype(np.float32))
    off = np.abs(np.asarray(_distance(tiny_prior().grids, places)))
    assert off.mean() < 0.04
    assert np.percentile(off, 99) < 0.5
    # Not just onto the surface: each point goes where it came from.
    assert np.linalg.norm(np.asarray(places) - face.on(mean()), axis=1).mean() < 0.05


def test_an_open_mouth_is_found_but_for_what_lies_between_the_lips() -> None:
    moved = displacement(0, 0.3)
    assert np.abs(moved - displacement(0)).max() > 10.0
    places = _unwarped(tiny_prior().grids, moved, face_of(moved).points.astype(np.float32))
    off = np.abs(np.asarray(_distance(tiny_prior().grids, places)))
    assert off.mean() < 0.1
    assert np.percentile(off, 95) < 0.2


def test_nodes_tell_what_vertices_do() -> None:
    rng, grids = np.random.default_rng(1), tiny_prior().grids
    points = rng.uniform(mean().vertices.min(axis=0) - 40.0, mean().vertices.max(axis=0) + 40.0, (POINTS, 3))
    by_vertices = _unwarped(grids, displacement(0, 0.3), points.astype(np.float32))
    by_nodes = _unwarped(grids, _on_nodes(grids, displacement(0, 0.3)), points.astype(np.float32))
    assert np.linalg.norm(by_vertices - points, axis=1).max() > 5.0
    np.testing.assert_allclose(by_nodes, by_vertices, atol=1e-3)


def test_nothing_displaced_moves_nothing() -> None:
    points = np.random.default_rng(2).normal(size=(POINTS, 3)).astype(np.float32) * 150.0
    np.testing.assert_array_equal(_unwarped(tiny_prior().grids, np.zeros_like(displacement(0)), points), points)


def test_a_shift_is_undone_wherever_one_asks() -> None:
    shift = np.array([3.0, -2.0, 1.0], np.float32)
    points = np.random.default_rng(3).normal(size=(POINTS, 3)).astype(np.float32) * 150.0
    found = _unwarped(tiny_prior().grids, np.broadcast_to(shift, mean().vertices.shape).astype(np.float32), points)
    np.testing.assert_allclose(found, points - shift, atol=1e-4)


def test_slopes_are_finite_also_beyond_the_grid() -> None:
    grids = tiny_prior().grids
    low, last = np.asarray(grids.low), np.array(grids.distance.shape) - 1
    rng = np.random.default_rng(4)
    on = low + float(grids.spacing) * np.stack([np.zeros(3), last, [0, last[1], 5], [40, 50, 60]])
    points = np.concatenate([on, mean().vertices[:200], rng.normal(size=(300, 3)) * 200.0, [[1e5, -1e5, 1e5]]])

    @jax.jit
    def slopes(moved: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
        def total(moved: jax.Array, points: jax.Array) -> jax.Array:
            return mean_distance(grids, unwarped(grids, moved, points)).sum()

        return jax.grad(total, argnums=(0, 1))(moved, points)

    by_vertex, by_point = slopes(displacement(0, 0.3), points.astype(np.float32))
    assert np.isfinite(by_vertex).all()
    assert np.isfinite(by_point).all()
    assert np.abs(by_vertex).max() > 0.1
    # Beyond the grid, away from it.
    np.testing.assert_allclose(np.linalg.norm(by_point[-1]), 1.0, atol=1e-3)


def test_slopes_by_vertices_are_differences() -> None:
    grids, moved = tiny_prior().grids, displacement(1)
    points = face_of(moved).points[:500].astype(np.float32)
    way = np.random.default_rng(5).normal(size=3).astype(np.float32) * np.ones_like(moved)
    # Smooth, so that differences have something to hold on to.
    way *= np.sin(mean().vertices[:, :1] / 30.0).astype(np.float32)

    @jax.jit
    def total(size: jax.Array) -> jax.Array:
        return mean_distance(grids, unwarped(grids, moved + size * way, points)).sum()

    slope = float(jax.grad(total)(jnp.zeros(())))
    step = 0.02
    difference = (float(total(jnp.float32(step))) - float(total(jnp.float32(-step)))) / (2.0 * step)
    assert abs(slope) > 10.0
    assert slope == pytest.approx(difference, rel=0.05)

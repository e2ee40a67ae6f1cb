"""Grids read between their nodes, against scipy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fields.trilinear import cell_corners, trilinear

SHAPE = (5, 7, 2)
RNG = np.random.default_rng(0)
PLACES = RNG.uniform(-2.0, 1.0, (400, 3)) + np.array(SHAPE) * RNG.uniform(0.0, 1.2, (400, 3))
"""Inside, and beyond every side."""


def grid(*channels: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*SHAPE, *channels)).astype(np.float32)


def by_scipy(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    flat = values.reshape(*SHAPE, -1)
    read = [map_coordinates(flat[..., at], places.T, order=1, mode="nearest") for at in range(flat.shape[-1])]
    return np.stack(read, axis=1).reshape(len(places), *values.shape[3:])


@pytest.mark.parametrize("channels", [(), (3,), (2, 4)])
def test_values_are_scipys(channels: tuple[int, ...]) -> None:
    beyond = (PLACES < 0.0) | (np.array(SHAPE) - 1.0 < PLACES)
    assert beyond.any(axis=0).all()
    assert (~beyond.any(axis=1)).sum() > 50
    found = trilinear(grid(*channels), jnp.asarray(PLACES, jnp.float32))
    np.testing.assert_allclose(found, by_scipy(grid(*channels), PLACES), atol=2e-6)


def test_nodes_have_their_own_values() -> None:
    nodes = np.indices(SHAPE).reshape(3, -1).T
    np.testing.assert_array_equal(trilinear(grid(), jnp.asarray(nodes, jnp.float32)), grid().ravel())


def test_weights_are_those_of_eight_nodes_that_are_there() -> None:
    nodes, weights = cell_corners(SHAPE, jnp.asarray(PLACES, jnp.float32))
    assert int(nodes.min()) >= 0
    assert int(nodes.max()) < np.prod(SHAPE)
    assert float(weights.min()) >= 0.0
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert all(len(set(row)) == 8 for row in np.asarray(nodes).tolist())


def test_slopes_are_differences_within_a_cell_and_none_beyond() -> None:
    with jax.enable_x64(True):
        values, step = grid().astype(np.float64), 1e-3
        inside = (np.abs(PLACES % 1.0 - 0.5) < 0.5 - step).all(axis=1)
        places = jnp.asarray(PLACES[inside])
        slopes = jax.vmap(jax.grad(lambda place: trilinear(values, place[None])[0]))(places)
        for axis, way in enumerate(step * np.eye(3)):
            there, back = trilinear(values, places + way), trilinear(values, places - way)
            np.testing.assert_allclose(slopes[:, axis], (there - back) / (2.0 * step), atol=1e-9)
        outside = (PLACES[inside] < 0.0) | (PLACES[inside] > np.array(SHAPE) - 1.0)
        assert outside.any()
        np.testing.assert_array_equal(np.asarray(slopes)[outside], 0.0)


def test_slopes_are_finite_on_nodes_at_borders_and_far_off() -> None:
    nodes = np.indices(SHAPE).reshape(3, -1).T
    places = jnp.asarray(np.concatenate([nodes, [[1e6, -1e6, 0.0], [4.0, 6.0, 1.0]]]), jnp.float32)
    by_grid, by_place = jax.grad(lambda grid, places: trilinear(grid, places).sum(), argnums=(0, 1))(grid(), places)
    assert np.isfinite(by_place).all()
    # Each place hands out what it weighs: one.
    assert float(by_grid.sum()) == pytest.approx(len(places), rel=1e-5)

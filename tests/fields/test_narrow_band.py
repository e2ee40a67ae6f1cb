"""The narrow band against sampling everywhere, and the surfaces drawn from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from fields.narrow_band import Grid, sample_band
from tests.data_made import volume

_LOW, _HIGH = np.array([-31.0, -30.0, -29.5]), np.array([30.0, 31.0, 32.0])


def _sphere(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1) - 20.0


def _torus(points: np.ndarray) -> np.ndarray:
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 18.0, points[:, 2]) - 6.0


def _thin_plate(points: np.ndarray) -> np.ndarray:
    q = np.abs(points) - np.array([20.0, 20.0, 0.6])
    return np.linalg.norm(np.maximum(q, 0.0), axis=1) + np.minimum(q.max(axis=1), 0.0)


_SHAPES = pytest.mark.parametrize(
    ("distance", "euler", "enclosed"),
    [
        (_sphere, 2, 4 / 3 * np.pi * 20.0**3),
        (_torus, 0, 2 * np.pi**2 * 18.0 * 6.0**2),
        (_thin_plate, 2, 40.0 * 40.0 * 1.2),
    ],
)


def _positions(grid: Grid) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(size) for size in grid.values.shape], indexing="ij"), -1) * (
        grid.spacing
    ) + np.asarray(grid.origin)


@_SHAPES
@pytest.mark.parametrize("coarsening", [1, 3, 4, 6])
def test_exact_near_the_surface_and_right_in_sign_elsewhere(
    distance: Callable[[np.ndarray], np.ndarray], euler: int, enclosed: float, coarsening: int
) -> None:
    grid = sample_band(distance, _LOW, _HIGH, 1.0, coarsening)
    places = _positions(grid)
    assert (places[-1, -1, -1] >= _HIGH - 1e-9).all()
    dense = distance(places.reshape(-1, 3)).reshape(grid.values.shape)
    near = np.abs(dense) <= 2.0 * grid.spacing
    np.testing.assert_allclose(grid.values[near], dense[near], atol=1e-5)
    assert (np.sign(grid.values[~near]) == np.sign(dense[~near])).all()
    assert np.abs(grid.values - dense).max() <= np.sqrt(3) / 2 * coarsening + 1e-4
    whole = Grid(dense.astype(np.float32), grid.origin, grid.spacing).surface()
    np.testing.assert_array_equal(whole.faces, grid.surface().faces)
    np.testing.assert_allclose(whole.vertices, grid.surface().vertices, atol=1e-4)


def test_most_of_the_grid_is_not_evaluated() -> None:
    asked = []

    def counted(points: np.ndarray) -> np.ndarray:
        asked.append(len(points))
        return _sphere(points)

    grid = sample_band(counted, 2 * _LOW, 2 * _HIGH, 1.0)
    assert sum(asked) < 0.15 * grid.values.size


@_SHAPES
def test_surfaces_are_closed_and_wound_outward(
    distance: Callable[[np.ndarray], np.ndarray], euler: int, enclosed: float
) -> None:
    mesh = sample_band(distance, _LOW, _HIGH, 0.7).surface()
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.euler_number == euler
    assert volume(mesh) == pytest.approx(enclosed, rel=0.03)
    assert np.abs(distance(mesh.vertices)).max() < 0.35


def test_samples_that_are_exactly_zero_leave_no_holes() -> None:
    axes = np.meshgrid(*[np.arange(-6.0, 7.0)] * 3, indexing="ij")
    diamond = Grid((np.abs(np.stack(axes)).sum(axis=0) - 4.0).astype(np.float32), np.full(3, -6.0), 1.0)
    assert (diamond.values == 0.0).sum() > 50
    mesh = diamond.surface()
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.euler_number == 2
    assert volume(mesh) == pytest.approx(4 / 3 * 4.0**3, rel=0.01)


def test_origin_and_spacing_place_the_surface() -> None:
    centre = np.array([100.0, -50.0, 7.0])
    mesh = sample_band(lambda points: _sphere(points - centre), centre + _LOW, centre + _HIGH, 1.0).surface()
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - centre, axis=1), 20.0, atol=0.05)

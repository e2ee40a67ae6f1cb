"""Coarse to fine against a grid asked everywhere: the same surface, for a part of the evaluations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from data.prior import read_prior
from data.shipped import PRIOR
from fields.coarse_to_fine import COARSEST, mesh_field, sample_everywhere, sample_surface_grid
from fields.distance import DistanceScene
from fields.head_to_field import SampledField, sampled_distance
from fields.jitted_chunks import JittedChunks
from fields.mesh import Mesh
from tests.data_made import volume

_LOW, _HIGH = np.array([-31.0, -30.0, -29.5]), np.array([33.0, 31.0, 32.0])

Field = Callable[[np.ndarray], np.ndarray]


def _sphere(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1) - 20.0


def _torus(points: np.ndarray) -> np.ndarray:
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 18.0, points[:, 2]) - 6.0


def _ball_beside_a_small_one(points: np.ndarray) -> np.ndarray:
    # Half a voxel of 128³ between them; the small one is narrower than a cell of the coarsest grid.
    small = np.linalg.norm(points - np.array([21.05, 0.0, 0.0]), axis=1) - 0.8
    return np.minimum(_sphere(points), small)


def _sheet(points: np.ndarray) -> np.ndarray:
    """0.8 mm thick: 1.6 voxels of 128³, 0.4 cells of the coarsest grid; oblique."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    q = np.abs(points @ turn) - np.array([18.0, 15.0, 0.4])
    return np.linalg.norm(np.maximum(q, 0.0), axis=1) + np.minimum(q.max(axis=1), 0.0)


def _counted(field: Field) -> tuple[Field, list[int]]:
    asked: list[int] = []

    def counting(points: np.ndarray) -> np.ndarray:
        asked.append(len(points))
        return field(points)

    return counting, asked


def _same(ours: Mesh, dense: Mesh, voxel: float) -> None:
    np.testing.assert_array_equal(ours.faces, dense.faces)
    np.testing.assert_allclose(ours.vertices, dense.vertices, atol=1e-3 * voxel)


@pytest.mark.parametrize(
    ("field", "euler", "enclosed"),
    [
        (_sphere, 2, 4 / 3 * np.pi * 20.0**3),
        (_torus, 0, 2 * np.pi**2 * 18.0 * 6.0**2),
        (_ball_beside_a_small_one, 4, 4 / 3 * np.pi * (20.0**3 + 0.8**3)),
        (_sheet, 2, 36.0 * 30.0 * 0.8),
    ],
)
def test_the_surface_is_that_of_the_dense_grid(field: Field, euler: int, enclosed: float) -> None:
    counting, asked = _counted(field)
    mesh, evaluations = mesh_field(counting, _LOW, _HIGH, 128)
    _same(mesh, sample_everywhere(field, _LOW, _HIGH, 128).surface(), 0.5)
    assert evaluations.asked == sum(asked)
    assert evaluations.dense == 129 * 123 * 124
    assert evaluations.share < 0.08
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.euler_number == euler
    assert volume(mesh) == pytest.approx(enclosed, rel=0.03)
    assert np.abs(field(mesh.vertices)).max() < 0.25


def test_all_samples_have_the_right_sign_and_none_says_more_than_the_field() -> None:
    grid, _ = sample_surface_grid(_torus, _LOW, _HIGH, 64)
    dense = sample_everywhere(_torus, _LOW, _HIGH, 64).values
    assert grid.values.dtype == np.float32
    assert (np.sign(grid.values) == np.sign(dense)).all()
    assert (np.abs(grid.values) <= np.abs(dense) + 1e-4).all()
    # Not all of them were asked.
    assert (np.abs(grid.values - dense) > 0.1).mean() > 0.3


def test_a_head_at_256_takes_a_twentieth_and_is_the_same() -> None:
    head = read_prior(PRIOR).head_mesh()
    low, high = head.vertices.min(axis=0) - 8.0, head.vertices.max(axis=0) + 8.0
    scene_field = _head_field(head, low, high)
    mesh, evaluations = mesh_field(scene_field, low, high, 256)
    assert evaluations.share < 0.05
    # Against a bound that doubts nearly everything, which asks four times as often.
    careful, many = mesh_field(scene_field, low, high, 256, slope=4.0)
    assert many.asked > 3 * evaluations.asked
    _same(mesh, careful, float((high - low).max()) / 256)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight
    assert np.abs(scene_field(mesh.vertices)).max() < 0.5


def _head_field(head: Mesh, low: np.ndarray, high: np.ndarray) -> Field:
    sampled = SampledField.of(DistanceScene(head).signed_distance, low, high, 4.0)
    return JittedChunks(lambda field, points: sampled_distance(points, field), 65536).of(sampled)


@pytest.mark.parametrize("steepness", [0.3, 1.5, 3.0])
def test_a_field_steeper_than_said_is_followed_all_the_same(steepness: float) -> None:
    def field(points: np.ndarray) -> np.ndarray:
        return steepness * _torus(points) + 0.4 * np.sin(points).sum(axis=1)

    mesh, _ = mesh_field(field, _LOW, _HIGH, 128)
    _same(mesh, sample_everywhere(field, _LOW, _HIGH, 128).surface(), 0.5)


def test_a_small_bound_loses_what_lies_apart() -> None:
    # The promise needs its condition: this is what a field far too steep for its bound may cost.
    def steep(points: np.ndarray) -> np.ndarray:
        small = np.linalg.norm(points - np.array([26.0, 25.0, 23.5]), axis=1) - 0.8
        return 9.0 * np.minimum(_sphere(points), small)

    whole, _ = mesh_field(steep, _LOW, _HIGH, 128, slope=9.0)
    lost, _ = mesh_field(steep, _LOW, _HIGH, 128, slope=1.0)
    assert 0 < len(lost.faces) < len(whole.faces)


def test_samples_that_are_exactly_zero_leave_no_holes() -> None:
    def diamond(points: np.ndarray) -> np.ndarray:
        return np.abs(points).sum(axis=1) - 16.0

    mesh, _ = mesh_field(diamond, np.full(3, -32.0), np.full(3, 32.0), 64, slope=np.sqrt(3.0))
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.euler_number == 2
    assert volume(mesh) == pytest.approx(4 / 3 * 16.0**3, rel=0.01)


def test_the_coarsest_grid_is_asked_everywhere() -> None:
    mesh, evaluations = mesh_field(_sphere, _LOW, _HIGH, COARSEST)
    assert evaluations.share == 1.0
    _same(mesh, sample_everywhere(_sphere, _LOW, _HIGH, COARSEST).surface(), 2.0)


def test_a_surface_that_leaves_the_box_is_open_there() -> None:
    low = np.array([-31.0, 0.0, -31.0])
    mesh, _ = mesh_field(_sphere, low, np.full(3, 31.0), 64)
    border = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert not border.is_watertight
    assert mesh.vertices[:, 1].min() == 0.0
    assert np.abs(_sphere(mesh.vertices)).max() < 0.1


@pytest.mark.parametrize("resolution", [0, 16, 48, 96, 257, -32])
def test_other_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"resolution {resolution}: give 32, 64"):
        mesh_field(_sphere, _LOW, _HIGH, resolution)


def test_what_cannot_be_meshed_is_refused() -> None:
    with pytest.raises(ValueError, match="no surface in the box"):
        mesh_field(lambda points: _sphere(points) + 100.0, _LOW, _HIGH, 64)
    with pytest.raises(ValueError, match="box is empty"):
        mesh_field(_sphere, _HIGH, _LOW, 64)
    with pytest.raises(ValueError, match="not finite"):
        mesh_field(lambda points: np.where(points[:, 0] > 0.0, np.nan, _sphere(points)), _LOW, _HIGH, 64)

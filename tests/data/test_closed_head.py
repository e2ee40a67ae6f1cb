"""Closing a head: holes filled, parts united, the neck cut, and the new surface tied to the old."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from data.closed_head import ClosedHead, apply_binding, close_head, fill_holes
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.data_made import joined, sphere, volume

_NECK = -50.0
_EYE = (25.0, 20.0, 68.0)


def _without(mesh: Mesh, gone: np.ndarray) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[~gone])


def _open_at_the_neck() -> Mesh:
    ball = sphere(80.0, subdivisions=4)
    return _without(ball, (ball.vertices[ball.faces][:, :, 1] < -60.0).any(axis=1))


@pytest.fixture(scope="module")
def model_mesh() -> Mesh:
    """A ball with a hole for a neck and an eyeball that sticks out."""
    return joined(_open_at_the_neck(), sphere(12.0, subdivisions=3, centre=_EYE))


@pytest.fixture(scope="module")
def closed(model_mesh: Mesh) -> ClosedHead:
    return close_head(model_mesh, neck_y=_NECK, vertex_count=3000, voxel_mm=2.0)


def test_holes_are_filled() -> None:
    ball = sphere(80.0)
    middle = ball.vertices[ball.faces].mean(axis=1)
    holes = _without(ball, (np.abs(middle[:, 1]) > 70.0))
    filled = fill_holes(holes)
    solid = trimesh.Trimesh(filled.vertices, filled.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert len(filled.vertices) == len(ball.vertices) + 2
    assert 0.9 * volume(ball) < volume(filled) < volume(ball)
    assert fill_holes(ball) is ball


def test_one_closed_surface_of_about_the_size_asked_for(closed: ClosedHead) -> None:
    solid = trimesh.Trimesh(closed.mesh.vertices, closed.mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.euler_number == 2
    assert volume(closed.mesh) > 0.0
    assert len(closed.mesh.vertices) == pytest.approx(3000, rel=0.02)


def test_the_surface_is_the_models_with_the_neck_cut_and_the_eye_in_place(closed: ClosedHead, model_mesh: Mesh) -> None:
    vertices = closed.mesh.vertices
    assert vertices[:, 1].min() == pytest.approx(_NECK, abs=1.0)
    # Away from the cut's rim and the crease around the eye, where the closing rounds.
    above = (vertices[:, 1] > _NECK + 4.0) & (np.abs(np.linalg.norm(vertices - _EYE, axis=1) - 12.0) > 4.0)
    np.testing.assert_allclose(np.linalg.norm(vertices[above], axis=1), 80.0, atol=0.5)
    eye = DistanceScene(closed.mesh).distance(np.array([_EYE]) * (1.0 + 12.0 / np.linalg.norm(_EYE)))
    assert eye[0] < 0.7


def test_new_vertices_follow_the_models(closed: ClosedHead, model_mesh: Mesh) -> None:
    rows = np.asarray(closed.binding.sum(axis=1)).ravel()
    np.testing.assert_allclose(rows, 1.0, atol=1e-6)
    shift = np.array([3.0, -2.0, 1.0])
    moved = apply_binding(closed.binding, np.broadcast_to(shift, model_mesh.vertices.shape))
    np.testing.assert_allclose(moved, np.broadcast_to(shift, moved.shape), atol=1e-5)
    # A stretch, which is linear in position, is followed wherever there is a model under the new vertex.
    grown = closed.mesh.vertices + apply_binding(closed.binding, 0.1 * model_mesh.vertices)
    tied = closed.mesh.vertices[:, 1] > _NECK + 4.0
    np.testing.assert_allclose(grown[tied], 1.1 * closed.mesh.vertices[tied], atol=0.5)

"""Normals, areas, transforms and parts of meshes."""

from __future__ import annotations

import numpy as np
import pytest

from fields.mesh import Mesh, submesh, transform_points
from tests.data_made import box, sphere

_TURN = np.array([[0, -2, 0, 1], [2, 0, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1.0]])


def test_normals_and_areas_of_a_box() -> None:
    mesh = box((2.0, 4.0, 6.0), subdivisions=1)
    normals = mesh.face_normals()
    np.testing.assert_allclose(np.abs(normals).max(axis=1), 1.0)
    assert (np.einsum("fd,fd->f", normals, mesh.vertices[mesh.faces].mean(axis=1)) > 0.0).all()
    assert mesh.face_areas().sum() == pytest.approx(2 * (8 + 12 + 24))
    assert mesh.diagonal() == pytest.approx(np.sqrt(56.0))


def test_vertex_normals_of_a_sphere_point_outward() -> None:
    ball = sphere(5.0)
    np.testing.assert_allclose(ball.vertex_normals(), ball.vertices / 5.0, atol=0.02)


def test_what_has_no_area_has_no_normal() -> None:
    flat = Mesh(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 9, 9.0]]), np.array([[0, 1, 2]]))
    assert (flat.face_normals() == 0.0).all()
    assert (flat.vertex_normals() == 0.0).all()
    assert flat.vertex_normals().shape == (4, 3)


def test_transforms() -> None:
    ball = sphere(1.0, subdivisions=1)
    moved = ball.transformed(_TURN)
    np.testing.assert_allclose(moved.vertices.mean(axis=0), [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(moved.vertex_normals(), ball.vertex_normals() @ (_TURN[:3, :3] / 2).T, atol=1e-12)
    np.testing.assert_allclose(moved.transformed(np.linalg.inv(_TURN)).vertices, ball.vertices, atol=1e-12)
    np.testing.assert_allclose(transform_points(_TURN, np.array([1.0, 0.0, 0.0])), [1, 4, 3])
    batch = np.zeros((2, 5, 3))
    assert transform_points(_TURN, batch).shape == (2, 5, 3)


def test_part_of_a_mesh() -> None:
    ball = sphere(1.0)
    keep = ball.vertices[:, 2] > 0.0
    half = submesh(ball, keep)
    assert (half.vertices[:, 2] > 0.0).all()
    np.testing.assert_array_equal(np.unique(half.faces), np.arange(len(half.vertices)))
    np.testing.assert_array_equal(half.vertices[half.faces], ball.vertices[ball.faces[keep[ball.faces].all(axis=1)]])
    assert len(submesh(ball, np.zeros(len(ball.vertices), dtype=bool)).faces) == 0

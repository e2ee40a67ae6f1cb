"""The winding number: whole numbers for closed surfaces, the sum of solid angles for any."""

from __future__ import annotations

import numpy as np
import pytest

from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.winding_number import winding_number
from tests.data_made import box, inside_out, joined, sphere


def around(count: int = 400, size: float = 100.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1.5 * size, 1.5 * size, (count, 3))


def slowly(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """The sum over all triangles of Girard's spherical excess, from the angles between the planes."""
    total = np.zeros(len(points))
    for row, point in enumerate(points):
        corners = mesh.vertices[mesh.faces] - point
        unit = corners / np.linalg.norm(corners, axis=2, keepdims=True)
        excess = np.full(len(corners), -np.pi)
        for corner in range(3):
            a, b, c = (unit[:, (corner + k) % 3] for k in range(3))
            ab, ac = np.cross(a, b), np.cross(a, c)
            cosine = np.einsum("fd,fd->f", ab, ac) / (np.linalg.norm(ab, axis=1) * np.linalg.norm(ac, axis=1))
            excess += np.arccos(cosine.clip(-1.0, 1.0))
        facing = np.sign(np.einsum("fd,fd->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])))
        total[row] = (facing * excess).sum() / (4.0 * np.pi)
    return total


@pytest.mark.parametrize("mesh", [box(subdivisions=0), box(), sphere(), sphere(subdivisions=5)])
def test_one_inside_and_none_outside(mesh):
    points = around()
    inside = DistanceScene(mesh).signed_distance(points) < 0.0
    assert 0.05 < inside.mean() < 0.95
    np.testing.assert_allclose(winding_number(mesh, points), inside, atol=0.02)


def test_open_surfaces_give_their_solid_angle():
    whole = sphere(subdivisions=4)
    part = Mesh(whole.vertices, whole.faces[whole.vertices[whole.faces][:, :, 1].max(axis=1) < 30.0])
    points = around()
    np.testing.assert_allclose(winding_number(part, points), slowly(part, points), atol=0.02)


def test_a_triangle_by_itself():
    corner = Mesh(np.eye(3), np.array([[0, 1, 2]], dtype=np.int32))
    found = winding_number(corner, np.array([[0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, 1.0 / 8.0, rtol=1e-6)


def test_signs_and_sums():
    points = around(200)
    one, two = sphere(100.0), sphere(60.0)
    np.testing.assert_allclose(winding_number(inside_out(one), points), -winding_number(one, points), atol=0.01)
    both = winding_number(joined(one, two), points)
    np.testing.assert_allclose(both, winding_number(one, points) + winding_number(two, points), atol=0.04)


def test_nothing_gives_nothing():
    none = Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32))
    np.testing.assert_array_equal(winding_number(none, around(3)), np.zeros(3))
    assert winding_number(sphere(), np.zeros((0, 3))).shape == (0,)


def test_triangles_without_area_count_nothing():
    mesh = sphere()
    flat = Mesh(mesh.vertices, np.concatenate([mesh.faces, [[0, 0, 1], [2, 2, 2]]]).astype(np.int32))
    np.testing.assert_allclose(winding_number(flat, around(100)), winding_number(mesh, around(100)), atol=0.02)

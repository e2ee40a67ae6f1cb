"""Groups of triangles: complete, compact, and their boxes hold them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.triangle_groups import GROUP, least_squared, placed, squared_distances, triangle_groups
from tests.data_made import box, joined, sphere


@pytest.fixture(scope="module")
def shape() -> Mesh:
    return joined(sphere(10.0, subdivisions=2), box((4.0, 6.0, 8.0), subdivisions=0))


def test_every_triangle_is_in_one_group(shape: Mesh) -> None:
    groups = triangle_groups(shape)
    listed = groups.triangles.ravel()
    assert listed.shape == (-(-len(shape.faces) // GROUP) * GROUP,)
    assert len(listed) > len(shape.faces)
    np.testing.assert_array_equal(np.sort(listed[: len(shape.faces)]), np.arange(len(shape.faces)))
    np.testing.assert_array_equal(groups.rising.reshape(-1, 3)[0], np.sort(shape.faces[listed[0]]))
    assert (np.ptp(groups.rising.reshape(-1, 3)[len(shape.faces) :], axis=1) == 0).all()
    np.testing.assert_allclose(groups.axes @ groups.axes.swapaxes(1, 2), np.eye(3)[None].repeat(6, 0), atol=1e-6)


def test_no_triangle_is_nearer_than_its_box(shape: Mesh) -> None:
    rng = np.random.default_rng(0)
    groups = triangle_groups(shape)
    # Turned, so that the boxes do not fit any more.
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = Mesh(shape.vertices @ turn.T * [1.0, 1.5, 0.8] + 100.0, shape.faces)
    points = jnp.asarray(rng.normal(size=(300, 3)) * 12.0 + 100.0, jnp.float32)
    there = jax.jit(placed)(groups, jnp.asarray(moved.vertices[moved.faces], jnp.float32))
    least = np.asarray(jax.jit(least_squared)(there, points))
    nearest, to_group = [], jax.jit(squared_distances)
    for group in range(len(groups.triangles)):
        squared = np.asarray(to_group(there, jnp.full(len(points), group), points))
        part = Mesh(moved.vertices, moved.faces[groups.triangles[group]])
        np.testing.assert_allclose(
            np.sqrt(squared.min(axis=1)), DistanceScene(part).distance(np.asarray(points, np.float64)), atol=1e-4
        )
        assert (np.sqrt(least[:, group]) <= np.sqrt(squared.min(axis=1)) + 1e-4).all()
        nearest.append(squared.min(axis=1))
    # A lower bound of nothing would pass too.
    assert np.corrcoef(np.sqrt(np.stack(nearest, axis=1)).ravel(), np.sqrt(least).ravel())[0, 1] > 0.9

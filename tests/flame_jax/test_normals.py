"""Normals: outward on a sphere, the sum of the triangles' around, finite where there is none."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh

from flame_jax.normals import incident_faces, vertex_normals


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _sphere() -> tuple[np.ndarray, np.ndarray]:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    return np.array(sphere.vertices), np.array(sphere.faces, dtype=np.int32)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> jax.Array:
    return jax.jit(vertex_normals)(vertices, faces)


def _summed(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The same sum by scattering each triangle to its corners."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], np.cross(b - a, c - a))
    return total / np.linalg.norm(total, axis=1, keepdims=True)


def test_incident_faces() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 4], [1, 0, 5]])
    np.testing.assert_array_equal(
        incident_faces(faces, 6), [[0, 2, 3], [0, 1, 2], [0, 1, 3], [3, 3, 3], [1, 3, 3], [2, 3, 3]]
    )
    assert incident_faces(np.zeros((0, 3), int), 4).shape == (4, 0)


def test_of_a_sphere() -> None:
    vertices, faces = _sphere()
    np.testing.assert_allclose(_normals(vertices, faces), vertices, rtol=0, atol=0.03)
    np.testing.assert_allclose(_normals(vertices, faces[:, ::-1]), -vertices, rtol=0, atol=0.03)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_are_the_triangles_summed(batch: tuple[int, ...]) -> None:
    vertices, faces = _sphere()
    bumpy = vertices + 0.05 * np.random.default_rng(0).normal(size=(*batch, *vertices.shape))
    normals = np.asarray(_normals(bumpy, faces))
    assert normals.shape == bumpy.shape
    for place in np.ndindex(batch):
        np.testing.assert_allclose(normals[place], _summed(bumpy[place], faces), rtol=0, atol=1e-13)


def test_in_single_precision_at_millimetres_and_metres() -> None:
    vertices, faces = _sphere()
    for size in (1e-3, 0.1, 100):
        normals = _normals((size * vertices).astype(np.float32), faces)
        assert normals.dtype == np.float32
        np.testing.assert_allclose(normals, _summed(vertices, faces), rtol=0, atol=1e-5)


def test_without_triangles_around() -> None:
    vertices, faces = _sphere()
    vertices = np.concatenate([vertices, [[0, 0, 5], [1, 2, 3]], np.zeros((3, 3))])
    # The last three form a triangle without area.
    faces = np.concatenate([faces, [np.arange(3) + len(vertices) - 3]]).astype(np.int32)
    normals = np.asarray(_normals(vertices, faces))
    np.testing.assert_array_equal(normals[-5:], 0)
    weights = np.random.default_rng(1).normal(size=vertices.shape)

    def total(vertices):
        return jnp.sum(weights * vertex_normals(vertices, faces))

    gradient = np.asarray(jax.jit(jax.grad(total))(vertices))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[-5:], 0)
    tangent = jax.jit(lambda v: jax.jvp(lambda v: vertex_normals(v, faces), (v,), (weights,))[1])(vertices)
    assert np.isfinite(tangent).all()
    without = vertex_normals(jnp.asarray(vertices), np.zeros((0, 3), np.int32))
    np.testing.assert_array_equal(without, np.zeros_like(vertices))


def test_derivative() -> None:
    vertices, faces = _sphere()
    rng = np.random.default_rng(2)
    vertices, along = vertices + 0.05 * rng.normal(size=vertices.shape), rng.normal(size=vertices.shape)
    tangent = jax.jit(lambda v, dv: jax.jvp(lambda v: vertex_normals(v, faces), (v,), (dv,))[1])(vertices, along)
    numeric = (_summed(vertices + 1e-6 * along, faces) - _summed(vertices - 1e-6 * along, faces)) / 2e-6
    np.testing.assert_allclose(tangent, numeric, rtol=0, atol=1e-7)

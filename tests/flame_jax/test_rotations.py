"""Axis-angle rotations: against scipy, and derivatives where the formula is 0/0."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax import axis_angle_to_matrix


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


@pytest.mark.parametrize("scale", [0, 1e-12, 1e-5, 0.05, 0.06, 0.1, 1, 3.14, 10])
def test_against_scipy(scale: float) -> None:
    directions = np.random.default_rng(0).normal(size=(20, 3))
    vectors = scale * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(
        axis_angle_to_matrix(vectors), Rotation.from_rotvec(vectors).as_matrix(), rtol=0, atol=5e-15
    )


def test_is_a_rotation_in_single_precision() -> None:
    vectors = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    matrices = axis_angle_to_matrix(vectors)
    assert matrices.dtype == np.float32
    product = np.einsum("abij,abkj->abik", matrices, matrices)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), rtol=0, atol=2e-6)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, rtol=0, atol=2e-6)


def test_first_derivative_at_zero_is_the_cross_product() -> None:
    jacobian = jax.jit(jax.jacfwd(axis_angle_to_matrix))(jnp.zeros(3))
    point = np.array([1.0, 2.0, 3.0])
    moved = np.einsum("ijk,j->ik", jacobian, point)
    np.testing.assert_array_equal(moved.T, np.cross(np.eye(3), point))


def test_derivatives_are_finite_and_right() -> None:
    scales = jnp.array([0, 1e-300, 1e-8, 0.0999, 0.1, 1])
    vectors = scales[:, None] * jnp.array([[2.0, -1.0, 2.0]]) / 3
    assert np.isfinite(jax.jit(jax.vmap(jax.hessian(axis_angle_to_matrix)))(vectors)).all()
    step = 1e-6 * np.eye(3)[:, None, :]
    numeric = (axis_angle_to_matrix(vectors[None] + step) - axis_angle_to_matrix(vectors[None] - step)) / 2e-6
    numeric = jnp.moveaxis(numeric, 0, -1)
    for derivative in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(
            jax.jit(jax.vmap(derivative(axis_angle_to_matrix)))(vectors), numeric, rtol=0, atol=1e-9
        )

"""Rotations in three ways: against scipy, there and back, and derivatives where the formulas are 0/0."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax.rotations import (
    Rotations,
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_six,
    rotation_matrix,
    six_to_matrix,
)


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


def _matrices(*batch: int) -> np.ndarray:
    return Rotation.random(int(np.prod(batch)), random_state=2).as_matrix().reshape(*batch, 3, 3)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_six_numbers_there_and_back(batch: tuple[int, ...]) -> None:
    matrices = _matrices(*batch)
    six = matrix_to_six(matrices)
    assert six.shape == (*batch, 6)
    np.testing.assert_array_equal(six[..., :3], matrices[..., :, 0])
    np.testing.assert_allclose(jax.jit(six_to_matrix)(six), matrices, rtol=0, atol=1e-15)


def test_any_six_numbers_are_a_rotation() -> None:
    six = np.random.default_rng(3).normal(size=(50, 6))
    matrices = np.asarray(six_to_matrix(six))
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-14
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-14)
    # Gram-Schmidt: the first column keeps its direction, the second its half-plane; lengths do not matter.
    first, second = six[:, :3], six[:, 3:]
    np.testing.assert_allclose(np.cross(matrices[:, :, 0], first), 0, atol=1e-14)
    assert (np.einsum("ni,ni->n", matrices[:, :, 0], first) > 0).all()
    assert (np.einsum("ni,ni->n", matrices[:, :, 1], second) > 0).all()
    np.testing.assert_allclose(six_to_matrix(six * ([2] * 3 + [7] * 3)), matrices, atol=1e-13)


def test_parallel_columns_are_not_finite() -> None:
    assert not np.isfinite(six_to_matrix(np.array([1.0, 0, 0, 2, 0, 0]))).all()
    assert not np.isfinite(six_to_matrix(np.zeros(6))).all()


def test_derivative_by_six_numbers() -> None:
    six = np.random.default_rng(4).normal(size=(6,))
    step = 1e-6 * np.eye(6)
    numeric = jnp.moveaxis((six_to_matrix(six + step) - six_to_matrix(six - step)) / 2e-6, 0, -1)
    for derivative in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(derivative(six_to_matrix))(six), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("angle", [0, 1e-300, 1e-12, 1e-5, 0.09, 0.11, 1, 2, 3.1, np.pi - 1e-7, np.pi - 1e-12])
def test_matrix_to_axis_angle_against_scipy(angle: float) -> None:
    directions = np.random.default_rng(5).normal(size=(50, 3))
    # Axes along coordinates and with small elements are where the choice of the quaternion's largest element matters.
    directions = np.concatenate([directions, np.eye(3), -np.eye(3), directions * [1, 1e-9, 1]])
    rotations = Rotation.from_rotvec(angle * directions / np.linalg.norm(directions, axis=1, keepdims=True))
    matrices = rotations.as_matrix()
    vectors = np.asarray(jax.jit(matrix_to_axis_angle)(matrices))
    np.testing.assert_allclose(vectors, Rotation.from_matrix(matrices).as_rotvec(), rtol=0, atol=4e-15)
    np.testing.assert_allclose(axis_angle_to_matrix(vectors), matrices, rtol=0, atol=4e-15)


def test_matrix_to_axis_angle_of_half_turns() -> None:
    directions = np.random.default_rng(6).normal(size=(50, 3))
    axes = np.concatenate([directions / np.linalg.norm(directions, axis=1, keepdims=True), np.eye(3)])
    matrices = 2 * axes[:, :, None] * axes[:, None, :] - np.eye(3)
    vectors = np.asarray(matrix_to_axis_angle(matrices))
    # Either of the two opposite vectors is right.
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.pi, rtol=1e-15)
    np.testing.assert_allclose(np.abs(np.einsum("ni,ni->n", vectors, axes)), np.pi, rtol=1e-14)


def test_matrix_to_axis_angle_in_single_precision() -> None:
    matrices = _matrices(3, 4).astype(np.float32)
    vectors = matrix_to_axis_angle(matrices)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(axis_angle_to_matrix(vectors), matrices, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [0, 1e-8, 0.5, 3.0])
def test_derivative_of_the_way_back(size: float) -> None:
    vector = size * jnp.array([2.0, -1.0, 2.0]) / 3
    for derivative in (jax.jacfwd, jax.jacrev):
        around = jax.jit(derivative(lambda vector: matrix_to_axis_angle(axis_angle_to_matrix(vector))))(vector)
        np.testing.assert_allclose(around, np.eye(3), rtol=0, atol=1e-12)


def test_rotation_matrix() -> None:
    vectors = np.random.default_rng(7).normal(size=(2, 3, 3))
    matrices = np.asarray(axis_angle_to_matrix(vectors))
    np.testing.assert_array_equal(rotation_matrix(vectors, "axis_angle"), matrices)
    np.testing.assert_array_equal(rotation_matrix(matrices, "matrix"), matrices)
    np.testing.assert_allclose(rotation_matrix(matrix_to_six(matrices), "6d"), matrices, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("shape", "given_as", "message"),
    [
        ((4,), "axis_angle", r"rotations as axis_angle end in \(3,\), not in shape \(4,\)"),
        ((), "axis_angle", r"end in \(3,\), not in shape \(\)"),
        ((2, 3), "6d", r"rotations as 6d end in \(6,\), not in shape \(2, 3\)"),
        ((9,), "matrix", r"rotations as matrix end in \(3, 3\), not in shape \(9,\)"),
        ((3, 2), "matrix", r"end in \(3, 3\), not in shape \(3, 2\)"),
    ],
)
def test_rotation_matrix_of_wrong_shapes(shape: tuple[int, ...], given_as: Rotations, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rotation_matrix(np.zeros(shape), given_as)


def test_rotations_of_an_unknown_kind() -> None:
    # With --shapes it is the annotation that refuses it.
    with pytest.raises((ValueError, TypeError)):
        rotation_matrix(np.zeros(4), "quaternion")  # type: ignore[arg-type]

"""Robust kernels: the residuals' squares are the kernels, smoothly."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax import geman_mcclure, huber


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _vectors() -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    return vectors * np.geomspace(1e-3, 1e3, 40)[:, None]


def test_geman_mcclure_is_its_kernel() -> None:
    squared = np.sum(_vectors() ** 2, axis=1)
    wanted = squared / (1 + squared / 2.5**2)
    np.testing.assert_allclose(np.sum(geman_mcclure(_vectors(), 2.5) ** 2, axis=1), wanted)
    assert (wanted <= 2.5**2).all()


def test_huber_is_its_kernel() -> None:
    length = np.linalg.norm(_vectors(), axis=1)
    wanted = np.where(length <= 2.5, length**2, 2 * 2.5 * length - 2.5**2)
    np.testing.assert_allclose(np.sum(huber(_vectors(), 2.5) ** 2, axis=1), wanted)


@pytest.mark.parametrize("kernel", [geman_mcclure, huber])
def test_derivatives_at_zero_and_at_the_scale(kernel: Callable[..., jax.Array]) -> None:
    lengths = jnp.array([0.0, 1e-9, 1.0, 2.5, 2.5 + 1e-9, 1e6])
    vectors = lengths[:, None] * jnp.array([[2.0, -1.0, 2.0]]) / 3
    for derivative in (jax.jacfwd, jax.jacrev):
        jacobians = jax.jit(jax.vmap(derivative(lambda vector: kernel(vector, 2.5))))(vectors)
        assert np.isfinite(jacobians).all()
        np.testing.assert_allclose(jacobians[0], np.eye(3))

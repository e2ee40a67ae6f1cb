"""Robust kernels: the residuals' squares are the kernels, smoothly."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax.robust import geman_mcclure, geman_mcclure_slope, huber


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


def test_slope_is_the_derivative() -> None:
    scalars = np.concatenate([-np.geomspace(1e-3, 1e3, 20), [0], np.geomspace(1e-3, 1e3, 20)]).reshape(41)
    residuals, slopes = geman_mcclure_slope(scalars, 2.5)
    np.testing.assert_allclose(residuals, geman_mcclure(scalars[:, None], 2.5)[:, 0], rtol=1e-15)
    by_jax = jax.vmap(jax.grad(lambda scalar: geman_mcclure(scalar[None], 2.5)[0]))(scalars)
    # Far out the slope falls to 1e-8, by way of differences of numbers near one in JAX's derivative.
    np.testing.assert_allclose(slopes, by_jax, rtol=1e-9)
    assert slopes[20] == 1
    # Any shape, and single precision stays single.
    table = scalars[:40].reshape(4, 10).astype(np.float32)
    residuals, slopes = geman_mcclure_slope(table, 2.5)
    assert residuals.shape == slopes.shape == (4, 10)
    assert residuals.dtype == slopes.dtype == np.float32

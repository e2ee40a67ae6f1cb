"""Low-rank Gaussians, against scipy and against their own samples."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fields.low_rank_gaussian import LowRankGaussian

SIZE, RANK, DRAWS = 7, 3, 40_000


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def gaussian(rank: int = RANK) -> LowRankGaussian:
    rng = np.random.default_rng(0)
    mean, factor, log_sd = rng.normal(size=SIZE), rng.normal(size=(SIZE, rank)), rng.normal(-0.5, 0.7, SIZE)
    return LowRankGaussian(jnp.asarray(mean), jnp.asarray(factor), jnp.asarray(log_sd))


def covariance(of: LowRankGaussian) -> np.ndarray:
    return np.asarray(of.factor @ of.factor.T + jnp.diag(jnp.exp(2.0 * of.log_sd)))


@pytest.mark.parametrize("rank", [1, RANK, SIZE + 2])
def test_the_density_is_scipys(rank: int) -> None:
    one, values = gaussian(rank), np.random.default_rng(1).normal(size=(20, SIZE)) * 3.0
    wanted = multivariate_normal(np.asarray(one.mean), covariance(one)).logpdf(values)
    np.testing.assert_allclose(jax.vmap(one.log_density)(jnp.asarray(values)), wanted, rtol=1e-10)


def test_the_density_is_as_good_where_the_factor_dwarfs_the_rest() -> None:
    one = gaussian()
    steep = LowRankGaussian(one.mean, 10.0 * one.factor, one.log_sd - 2.0)
    value = np.asarray(steep.mean) + np.random.default_rng(2).normal(size=SIZE)
    wanted = multivariate_normal(np.asarray(steep.mean), covariance(steep)).logpdf(value)
    assert float(steep.log_density(jnp.asarray(value))) == pytest.approx(wanted, rel=1e-6)
    # As in training: single precision, and derivatives too.
    single = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), steep)
    found, slope = jax.value_and_grad(LowRankGaussian.log_density)(single, jnp.asarray(value, jnp.float32))
    assert float(found) == pytest.approx(wanted, rel=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_samples_have_its_moments() -> None:
    one = gaussian()
    drawn = np.asarray(jax.vmap(one.sample)(jax.random.split(jax.random.key(0), DRAWS)))
    sd = np.sqrt(np.diag(covariance(one)))
    close = 5.0 / np.sqrt(DRAWS)
    np.testing.assert_allclose((drawn.mean(axis=0) - one.mean) / sd, 0.0, atol=close)
    np.testing.assert_allclose((np.cov(drawn.T) - covariance(one)) / np.outer(sd, sd), 0.0, atol=1.5 * close)


def test_linear_functions_have_the_variance_it_says() -> None:
    one, rows = gaussian(), np.random.default_rng(3).normal(size=(5, SIZE))
    wanted = np.diag(rows @ covariance(one) @ rows.T)
    np.testing.assert_allclose(one.variance_of(jnp.asarray(rows)), wanted, rtol=1e-12)


def test_a_temperature_multiplies_standard_deviations() -> None:
    warm = gaussian().tempered(1.7)
    np.testing.assert_allclose(covariance(warm), 1.7**2 * covariance(gaussian()), rtol=1e-12)
    np.testing.assert_array_equal(warm.mean, gaussian().mean)

"""The posterior starts as what the regressions left over; an unknown fullness is no fullness."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fields.face_posterior import FacePosterior
from fields.first_estimate import FirstEstimate
from fields.low_rank_gaussian import LowRankGaussian
from fields.skull_encoder import SkullCode

CODE, RANK, GLOBAL, ANCHORS, WIDTH = 6, 3, 10, 4, 5
UNKNOWN = jnp.asarray(jnp.nan)


@functools.cache
def first() -> FirstEstimate:
    rng = np.random.default_rng(0)
    features = np.zeros((ANCHORS, 27), np.float32)
    return FirstEstimate(
        centre=features,
        scale=features + 1.0,
        plenty=np.ones(ANCHORS, np.float32),
        mean=np.zeros(CODE, np.float32),
        infer=np.zeros((CODE, ANCHORS * 27), np.float32),
        imply=np.zeros((ANCHORS * 27, CODE), np.float32),
        fullness=rng.normal(size=CODE).astype(np.float32),
        factor=rng.normal(size=(CODE, RANK)).astype(np.float32),
        log_sd=rng.normal(size=CODE).astype(np.float32),
    )


def seen(seed: int = 1) -> SkullCode:
    rng = np.random.default_rng(seed)
    sizes = ((CODE,), (ANCHORS, WIDTH), (GLOBAL,), (ANCHORS,))
    return SkullCode(*(jnp.asarray(rng.normal(size=size), jnp.float32) for size in sizes))


def posterior(seed: int | None = None) -> FacePosterior:
    """As it starts, or with random parameters."""
    made = FacePosterior(CODE, RANK, GLOBAL, rngs=nnx.Rngs(0))
    if seed is not None:
        graphdef, params = nnx.split(made)
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.key(seed), len(leaves))
        leaves = [0.3 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
        made = nnx.merge(graphdef, jax.tree.unflatten(tree, leaves))
    return made


def same(one: LowRankGaussian, other: LowRankGaussian) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_it_starts_as_the_regressions_say() -> None:
    code = seen()
    found = posterior()(first(), code, UNKNOWN)
    np.testing.assert_array_equal(found.mean, code.estimate)
    np.testing.assert_allclose(found.factor, first().factor, rtol=1e-6)
    np.testing.assert_array_equal(found.log_sd, first().log_sd)
    fuller = posterior()(first(), code, jnp.asarray(1.5))
    np.testing.assert_allclose(fuller.mean, code.estimate + 1.5 * first().fullness, rtol=1e-5)


def test_an_unknown_fullness_is_not_a_mean_one() -> None:
    made = posterior(0)
    assert not same(made(first(), seen(), UNKNOWN), made(first(), seen(), jnp.asarray(0.0)))
    # Before training nobody knows better.
    assert same(posterior()(first(), seen(), UNKNOWN), posterior()(first(), seen(), jnp.asarray(0.0)))


@pytest.mark.parametrize("fullness", [np.nan, np.inf, 0.0, 2.0])
def test_density_and_slopes_are_finite(fullness: float) -> None:
    graphdef, params = nnx.split(posterior(1))

    def density(params: nnx.State, value: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, params)(first(), seen(), jnp.asarray(fullness)).log_density(value)

    found, slopes = jax.value_and_grad(density)(params, jnp.ones(CODE))
    assert np.isfinite(found)
    for leaf in jax.tree.leaves(slopes):
        assert np.isfinite(leaf).all()


def test_it_depends_on_the_skull_and_stays_within_bounds() -> None:
    made = posterior(2)
    one, other = (made(first(), seen(seed), UNKNOWN) for seed in (1, 2))
    assert np.abs(one.factor - other.factor).max() > 0.1
    loud = SkullCode(seen().estimate, seen().tokens, 1e3 * seen().overall, seen().trust)
    far = made(first(), loud, UNKNOWN)
    assert float(far.log_sd.min()) >= -5.0
    assert float(far.log_sd.max()) <= 2.0

"""The first estimate: the conditional mean where all is linear and Gaussian; it does not believe what does not fit."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fields.anchor_pooling import FEATURES, WIDTHS_MM
from fields.field_config import EncoderConfig
from fields.first_estimate import FirstEstimate
from fields.skull_encoder import SEEN, SkullCode, SkullEncoder

ANCHORS, CODE, PLENTY = 12, 5, 0.6
_COUNT = FEATURES
"""The number, among those of an anchor, that tells whether there is bone."""


@functools.cache
def linear_model() -> tuple[np.ndarray, np.ndarray]:
    """F and the noise's variances of x̂ = F z + noise, z ~ N(0, 1). The counts say nothing."""
    rng = np.random.default_rng(0)
    imply, variances = rng.normal(0.0, 0.6, (ANCHORS, SEEN, CODE)), rng.uniform(4.0, 40.0, (ANCHORS, SEEN))
    imply[:, _COUNT] = 0.0
    return imply.reshape(-1, CODE), variances.ravel()


def conditional_mean(features: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """E[z | x̂ at the anchors that are kept]."""
    imply, variances = linear_model()
    known = np.repeat(kept, SEEN)
    told = imply[known] / variances[known, None]
    return np.linalg.solve(np.eye(CODE) + told.T @ imply[known], told.T @ features.reshape(-1)[known])


@functools.cache
def first() -> FirstEstimate:
    imply, variances = linear_model()
    told = imply / variances[:, None]
    infer = np.linalg.solve(np.eye(CODE) + told.T @ imply, told.T)
    zeros, ones = np.zeros((ANCHORS, SEEN), np.float32), np.ones((ANCHORS, SEEN), np.float32)
    return FirstEstimate(
        centre=zeros + 0.25,
        scale=2.0 * ones,
        plenty=np.full(ANCHORS, PLENTY, np.float32),
        mean=np.arange(CODE, dtype=np.float32),
        infer=infer.astype(np.float32),
        imply=imply.astype(np.float32),
        fullness=np.zeros(CODE, np.float32),
        factor=np.zeros((CODE, 2), np.float32),
        log_sd=np.zeros(CODE, np.float32),
    )


def encoder(rounds: int, doubt: float = 1.0) -> SkullEncoder:
    config = EncoderConfig(width=16, blocks=1, heads=2, global_width=8, squeezed=2, rounds=rounds)
    made = SkullEncoder(config, ANCHORS, CODE, rngs=nnx.Rngs(0))
    made.doubt[...] = jnp.full((ANCHORS,), doubt)
    return made


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """z and x̂ of somebody."""
    rng, (imply, variances) = np.random.default_rng(seed), linear_model()
    code = rng.normal(size=CODE)
    standard = imply @ code + 0.3 * np.sqrt(variances) * rng.normal(size=len(variances))
    return code, np.clip(standard, -7.0, 7.0).reshape(ANCHORS, SEEN)


def encoded(by: SkullEncoder, standard: np.ndarray, kept: np.ndarray) -> SkullCode:
    """What an encoder makes of x̂ where anchors saw something, and of nonsense where they did not."""
    features = first().centre + first().scale * np.where(kept[:, None], standard, 5.0)
    features[:, _COUNT] = np.where(kept, PLENTY, 0.0)
    return by(first(), features.reshape(ANCHORS, len(WIDTHS_MM), FEATURES).astype(np.float32))


def estimate(by: SkullEncoder, standard: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.asarray(encoded(by, standard, kept).estimate) - first().mean


ALL = np.ones(ANCHORS, bool)


@pytest.mark.parametrize("seed", [0, 1])
def test_of_whole_skulls_it_is_the_regression(seed: int) -> None:
    code, standard = case(seed)
    for rounds in (1, 5):
        found = estimate(encoder(rounds, doubt=1e4), standard, ALL)
        np.testing.assert_allclose(found, conditional_mean(standard, ALL), atol=2e-3)
    assert np.linalg.norm(found - code) < 0.5 * np.linalg.norm(code)


@pytest.mark.parametrize("missing", [1, 5, 9])
def test_where_anchors_are_missing_it_is_the_conditional_mean(missing: int) -> None:
    kept = np.arange(ANCHORS) >= missing
    _, standard = case(2)
    found = estimate(encoder(400, doubt=1e4), standard, kept)
    wanted = conditional_mean(standard, kept)
    np.testing.assert_allclose(found, wanted, atol=5e-3)
    # Which is another than if nothing were the mean, or the whole skull were there.
    nothing = estimate(encoder(1, doubt=1e4), standard, kept)
    assert np.linalg.norm(nothing - wanted) > 10.0 * np.linalg.norm(found - wanted)
    # Five rounds come most of the way.
    five = estimate(encoder(5, doubt=1e4), standard, kept)
    assert np.linalg.norm(five - wanted) < 0.5 * np.linalg.norm(nothing - wanted)


def test_of_nothing_it_is_the_mean() -> None:
    code = encoded(encoder(5), case(0)[1], ~ALL)
    np.testing.assert_allclose(code.estimate, first().mean, atol=1e-6)
    np.testing.assert_array_equal(code.trust, 0.0)


def test_a_displaced_part_is_not_believed() -> None:
    _, standard = case(3)
    displaced = np.arange(ANCHORS) < 3
    wrong = np.where(displaced[:, None], 7.5 * np.sign(standard), standard)
    wanted = conditional_mean(standard, ALL)
    naive = estimate(encoder(5, doubt=1e4), wrong, ALL)
    code = encoded(encoder(5), wrong, ALL)
    robust = np.asarray(code.estimate) - first().mean
    assert np.linalg.norm(robust - wanted) < 0.5 * np.linalg.norm(naive - wanted)
    trust = np.asarray(code.trust)
    assert trust[displaced].max() < 0.35
    assert trust[~displaced].min() > 0.6


def test_little_bone_counts_little() -> None:
    _, standard = case(0)
    features = first().centre + first().scale * standard
    features[:, _COUNT] = 0.1 * PLENTY
    code = encoder(5, doubt=1e4)(first(), features.reshape(ANCHORS, -1, FEATURES).astype(np.float32))
    np.testing.assert_allclose(code.trust, 0.2, atol=1e-3)


def test_departures_are_learned_from_zero() -> None:
    """Training moves the regressions, the doubts, and all layers: there is a slope for each."""
    one, standard = encoder(5), case(4)[1]
    features = (first().centre + first().scale * standard).reshape(ANCHORS, -1, FEATURES).astype(np.float32)
    features[:, 1, 0] = PLENTY
    graphdef, params = nnx.split(one)

    def total(params: nnx.State) -> jax.Array:
        code = nnx.merge(graphdef, params)(first(), features)
        weights = jnp.linspace(-1.0, 1.0, code.overall.size)
        return jnp.sum(weights * code.overall) + jnp.sum(code.estimate**2)

    for path, slope in jax.tree.leaves_with_path(jax.grad(total)(params)):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        assert np.isfinite(slope).all(), name
        # Behind the blocks' last layers, which start at zero, nothing is seen yet.
        behind = any(part in name for part in ("before", "project", "between", "widen"))
        assert behind == (not np.abs(slope).max() > 0.0), name


def test_tokens_start_as_what_was_seen() -> None:
    """The blocks' last layers are zero, so that tokens pass as they are: nothing has been mixed yet."""
    one, standard = encoder(1, doubt=1e4), case(5)[1]
    other = standard.copy()
    other[0] = -other[0]
    before, after = encoded(one, standard, ALL).tokens, encoded(one, other, ALL).tokens
    changed = np.abs(np.asarray(before - after)).max(axis=1)
    assert changed[0] > 0.1
    np.testing.assert_array_equal(changed[1:], 0.0)

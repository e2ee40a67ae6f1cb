"""Regressions on a made linear Gaussian world, whose answers are known."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from fields.anchor_pooling import FEATURES, WIDTHS_MM
from fields.first_estimate import FirstEstimate
from train.first_regressions import fit_first_estimate

SKULLS, ANCHORS, CODE, RANK = 4_000, 3, 6, 2
SEEN = len(WIDTHS_MM) * FEATURES


@dataclasses.dataclass(frozen=True)
class World:
    """Skulls whose features are offset + F z + noise; the code is mean + z + fullness · told + hidden."""

    features: np.ndarray
    codes: np.ndarray
    fullness: np.ndarray
    imply: np.ndarray
    told: np.ndarray
    left: np.ndarray
    """Covariance of what neither features nor fullness tell."""


@functools.cache
def world() -> World:
    rng = np.random.default_rng(0)
    imply = rng.normal(size=(ANCHORS * SEEN, CODE))
    # The code's last number cannot be seen at all.
    imply[:, -1] = 0.0
    z = rng.normal(size=(SKULLS, CODE))
    noise = 0.3 * rng.normal(size=(SKULLS, ANCHORS * SEEN))
    features = 2.0 + z @ imply.T + noise
    fullness = rng.normal(size=SKULLS)
    told = np.array([0.8, -0.5, 0.0, 0.3, 0.0, 0.0])
    spread = np.array([1.5, 0.0, -1.0, 0.0, 0.5, 0.0])
    hidden = rng.normal(size=(SKULLS, 1)) * spread + 0.2 * rng.normal(size=(SKULLS, CODE))
    codes = np.arange(CODE) + z + fullness[:, None] * told + hidden
    left = np.outer(spread, spread) + 0.04 * np.eye(CODE)
    left[-1, -1] += 1.0
    return World(
        features.reshape(SKULLS, ANCHORS, len(WIDTHS_MM), FEATURES).astype(np.float32),
        codes.astype(np.float32),
        fullness.astype(np.float32),
        imply,
        told,
        left,
    )


@functools.cache
def fitted() -> FirstEstimate:
    made = world()
    return fit_first_estimate(made.features, made.codes, made.fullness, RANK, np.eye(CODE))


def standard() -> np.ndarray:
    flat = world().features.reshape(SKULLS, ANCHORS, SEEN)
    return ((flat - fitted().centre) / fitted().scale).reshape(SKULLS, -1)


def test_features_are_standardised() -> None:
    np.testing.assert_allclose(standard().mean(axis=0), 0.0, atol=1e-4)
    assert 0.85 < standard().std(axis=0).min() <= standard().std(axis=0).max() < 1.0
    np.testing.assert_allclose(fitted().mean, world().codes.mean(axis=0), rtol=1e-5)
    counts = world().features[:, :, 1, 0]
    np.testing.assert_allclose(fitted().plenty, counts.mean(axis=0), rtol=1e-4)


def test_codes_are_inferred_as_well_as_can_be() -> None:
    found = fitted().mean + standard() @ np.asarray(fitted().infer).T
    off = world().codes - found - world().fullness[:, None] * world().told
    # What is hidden, and hardly more.
    np.testing.assert_allclose(np.cov(off.T), world().left, atol=0.12)
    assert np.abs(off[:, 1]).mean() < 0.25


def test_features_are_implied_by_codes() -> None:
    """Least squares of x̂ on the code: C F ᵀ (C + left)⁻¹ for codes that hold more than is seen."""
    told, left = world().told, world().left.copy()
    left[-1, -1] -= 1.0
    whole = np.eye(CODE) + left + np.outer(told, told)
    wanted = world().imply @ np.linalg.inv(whole) / np.asarray(fitted().scale).reshape(-1, 1)
    np.testing.assert_allclose(fitted().imply, wanted, atol=0.04)


def test_fullness_adds_what_it_does() -> None:
    np.testing.assert_allclose(fitted().fullness, world().told, atol=0.15)


def test_what_is_left_over_is_factor_and_diagonal() -> None:
    """With the fullness, which the posterior may not be told."""
    factor, sd = np.asarray(fitted().factor), np.exp(np.asarray(fitted().log_sd))
    assert factor.shape == (CODE, RANK)
    wanted = world().left + np.outer(world().told, world().told)
    np.testing.assert_allclose(factor @ factor.T + np.diag(sd**2), wanted, atol=0.25)
    # The two directions are those of what is hidden and of fullness.
    assert np.linalg.matrix_rank(factor, tol=0.3) == 2


def test_much_noise_is_answered_with_a_strong_penalty() -> None:
    """Features that say nothing leave the mean."""
    made, rng = world(), np.random.default_rng(1)
    nothing = rng.normal(size=(300, ANCHORS, len(WIDTHS_MM), FEATURES)).astype(np.float32)
    found = fit_first_estimate(nothing, made.codes[:300], made.fullness[:300], RANK, np.eye(CODE))
    seen = ((nothing.reshape(300, ANCHORS, SEEN) - found.centre) / found.scale).reshape(300, -1)
    least_squares = np.linalg.lstsq(seen, made.codes[:300] - found.mean, rcond=None)[0].T
    assert np.linalg.norm(found.infer) < 0.8 * np.linalg.norm(least_squares)


def test_what_does_not_vary_does_no_harm() -> None:
    made = world()
    flat = made.features[:300].copy()
    flat[:, 1] = 0.0
    found = fit_first_estimate(flat, made.codes[:300], made.fullness[:300], RANK, np.eye(CODE))
    for field in dataclasses.fields(found):
        assert np.isfinite(getattr(found, field.name)).all()


@pytest.mark.parametrize("rank", [1, CODE])
def test_any_rank_will_do(rank: int) -> None:
    made = world()
    found = fit_first_estimate(made.features[:400], made.codes[:400], made.fullness[:400], rank, np.eye(CODE))
    assert found.factor.shape == (CODE, rank)
    assert np.isfinite(found.log_sd).all()

"""Fits the constants of the encoder's linear estimate (`fields.first_estimate`) in closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from fields.anchor_pooling import FEATURES
from fields.first_estimate import FirstEstimate

_SOFTENED = 0.05
"""Added to the standard deviations of features: what hardly varies is not blown up."""
_PENALTIES = np.geomspace(1e-4, 1.0, 9)
"""Of ridge regression, in mean eigenvalues of the features' covariance."""
_HELD_BACK = 0.15
_ROUNDS = 30
_COUNT_OF_WINDOW = 1
"""Window whose count tells whether there is bone: as in `fields.skull_encoder`."""


def fit_first_estimate(
    features: Float[np.ndarray, "skulls anchors windows features"],
    codes: Float[np.ndarray, "skulls code"],
    fullness: Float[np.ndarray, " skulls"],
    rank: int,
    weights: Float[np.ndarray, "rows code"],
) -> FirstEstimate:
    """Regressions between features and codes, over whole skulls as our aligner puts them.

    Args:
        features: Of `fields.anchor_pooling.pooled`.
        codes: Of the faces, `fields.latent.encoded`.
        fullness: Of the faces, standard deviations.
        rank: Of the factor of what is left over.
        weights: Rows that take codes to millimetres on the face: the penalty is chosen for them.
    """
    count = len(features)
    seen = features.reshape(count, features.shape[1], -1)
    centre, scale = seen.mean(axis=0), seen.std(axis=0) + _SOFTENED
    standard = ((seen - centre) / scale).reshape(count, -1).astype(np.float64)
    kept = count - max(1, round(_HELD_BACK * count))
    mean = codes.mean(axis=0, dtype=np.float64)
    codes = codes - mean
    infer, left = _ridge(standard, codes, kept, weights)
    gram = codes.T @ codes + 1e-2 * count * np.eye(codes.shape[1])
    imply = standard.T @ np.linalg.solve(gram, codes.T).T
    told = fullness[kept:]
    per_fullness = (told[:, None] * left).mean(axis=0) / (told**2).mean()
    factor, sd = _factor_and_sd(left.T @ left / len(left), rank)
    single = jnp.float32
    return FirstEstimate(
        centre=jnp.asarray(centre, single),
        scale=jnp.asarray(scale, single),
        plenty=jnp.asarray(seen[:, :, _COUNT_OF_WINDOW * FEATURES].mean(axis=0), single),
        mean=jnp.asarray(mean, single),
        infer=jnp.asarray(infer, single),
        imply=jnp.asarray(imply, single),
        fullness=jnp.asarray(per_fullness, single),
        factor=jnp.asarray(factor, single),
        log_sd=jnp.asarray(np.log(sd), single),
    )


def _ridge(
    standard: Float[np.ndarray, "skulls features"],
    codes: Float[np.ndarray, "skulls code"],
    kept: int,
    weights: Float[np.ndarray, "rows code"],
) -> tuple[Float[np.ndarray, "code features"], Float[np.ndarray, "held code"]]:
    """Ridge regression on the first `kept`, its penalty chosen on the others, and what it leaves over there."""
    gram = standard @ standard.T
    values, vectors = np.linalg.eigh(gram[:kept, :kept])
    seen, across = vectors.T @ codes[:kept], gram[kept:, :kept] @ vectors
    trials = []
    for penalty in _PENALTIES * values.mean():
        left = codes[kept:] - across @ (seen / (values + penalty)[:, None])
        trials.append((float(np.abs(left @ weights.T).mean()), penalty, left))
    _, penalty, left = min(trials, key=lambda trial: trial[0])
    dual = vectors @ (seen / (values + penalty)[:, None])
    return dual.T @ standard[:kept], left


def _factor_and_sd(
    covariance: Float[np.ndarray, "code code"], rank: int
) -> tuple[Float[np.ndarray, "code rank"], Float[np.ndarray, " code"]]:
    """A covariance as factor factorᵀ + diag(sd²): principal factors, iterated (Harman, Modern Factor
    Analysis, 1976)."""
    beside = 0.5 * np.diagonal(covariance)
    factor = np.zeros((len(covariance), rank))
    for _ in range(_ROUNDS):
        values, vectors = np.linalg.eigh(covariance - np.diag(beside))
        order = np.argsort(values)[::-1][:rank]
        factor = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
        beside = np.maximum(np.diagonal(covariance) - (factor**2).sum(axis=1), 1e-4)
    return factor, np.sqrt(beside)

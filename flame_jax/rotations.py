"""Rotations as axis-angle vectors, the Lie algebra so(3): direction = axis, length = angle in radians.

The exponential map takes such a vector w to its rotation matrix (Rodrigues 1840):

    R(w) = I + sin(t)/t K + (1 - cos t)/t^2 K^2,    t = |w|,  K x = w cross x

Both factors are smooth functions of t^2, and are computed as such, so that all derivatives are finite at w = 0, where
every fit starts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

_SERIES_BELOW = 1e-2
"""Squared angle below which the series is used; its first term left out is then under 1e-17 of the sum."""


def axis_angle_to_matrix(axis_angle: Float[jax.Array | np.ndarray, "*batch 3"]) -> Float[jax.Array, "*batch 3 3"]:
    """Rotation matrices, acting on column vectors, of axis-angle vectors in radians; differentiable everywhere."""
    vector = jnp.asarray(axis_angle)
    squared = jnp.sum(vector * vector, axis=-1)[..., None, None]
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    zero = jnp.zeros_like(x)
    cross = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*vector.shape[:-1], 3, 3)
    # K^2 = w w^T - |w|^2 I: exact to the last bit on accelerators, which a matrix product is not.
    eye = jnp.broadcast_to(jnp.eye(3, dtype=vector.dtype), cross.shape)
    cross_squared = vector[..., :, None] * vector[..., None, :] - squared * eye
    return eye + _sine_over_angle(squared) * cross + _one_minus_cosine_over_square(squared) * cross_squared


def _sine_over_angle(squared: jax.Array) -> jax.Array:
    series = 1 + squared * (-1 / 6 + squared * (1 / 120 + squared * (-1 / 5040 + squared / 362880)))
    angle = jnp.sqrt(_where_large(squared))
    return jnp.where(squared < _SERIES_BELOW, series, jnp.sin(angle) / angle)


def _one_minus_cosine_over_square(squared: jax.Array) -> jax.Array:
    series = 1 / 2 + squared * (-1 / 24 + squared * (1 / 720 + squared * (-1 / 40320 + squared / 3628800)))
    large = _where_large(squared)
    # 1 - cos t = 2 sin^2(t/2) keeps its digits where the cosine is close to one.
    return jnp.where(squared < _SERIES_BELOW, series, 2 * jnp.sin(jnp.sqrt(large) / 2) ** 2 / large)


def _where_large(squared: jax.Array) -> jax.Array:
    # The branch not taken must be finite too, or its derivative times zero is not a number.
    return jnp.where(squared < _SERIES_BELOW, jnp.ones_like(squared), squared)

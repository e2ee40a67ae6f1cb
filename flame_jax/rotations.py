"""Rotations as axis-angle vectors, as six numbers, and as matrices that act on column vectors.

Axis-angle is the Lie algebra so(3): direction = axis, length = angle in radians. The exponential map takes such a
vector w to its rotation matrix (Rodrigues 1840):

    R(w) = I + sin(t)/t K + (1 - cos t)/t^2 K^2,    t = |w|,  K x = w cross x

Both factors are smooth functions of t^2, and are computed as such, so that all derivatives are finite at w = 0, where
every fit starts.

Six numbers are a matrix's first two columns, one after the other (Zhou, Barnes, Lu, Yang, Li: "On the continuity of
rotation representations in neural networks", CVPR 2019, section 4.2): continuous everywhere, so networks learn them
easily. Any two columns that are not parallel will do; they are made orthonormal by Gram-Schmidt.
"""

from __future__ import annotations

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Rotations = Literal["axis_angle", "6d", "matrix"]
"""How rotations are given: arrays that end in 3, in 6, or in 3 x 3."""

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


def six_to_matrix(six: Float[jax.Array | np.ndarray, "*batch 6"]) -> Float[jax.Array, "*batch 3 3"]:
    """Rotation matrices of two columns each, made orthonormal; parallel columns give numbers that are not finite."""
    first, second = jnp.asarray(six)[..., :3], jnp.asarray(six)[..., 3:]
    x = first / jnp.linalg.norm(first, axis=-1, keepdims=True)
    across = second - jnp.sum(x * second, axis=-1, keepdims=True) * x
    y = across / jnp.linalg.norm(across, axis=-1, keepdims=True)
    return jnp.stack([x, y, jnp.cross(x, y)], axis=-1)


def matrix_to_six(matrix: Float[jax.Array | np.ndarray, "*batch 3 3"]) -> Float[jax.Array, "*batch 6"]:
    """The first two columns, one after the other."""
    matrix = jnp.asarray(matrix)
    return jnp.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def matrix_to_axis_angle(matrix: Float[jax.Array | np.ndarray, "*batch 3 3"]) -> Float[jax.Array, "*batch 3"]:
    """Axis-angle vectors of rotation matrices, of angles 0 to pi; by way of the unit quaternion, whose largest element
    is found first, so that no digits are lost near pi (Shepperd, J. Guidance and Control 1(3), 1978)."""
    m = jnp.asarray(matrix)
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    # Each row is the quaternion (w, x, y, z) times four times one of its elements.
    w, x, y, z = 1 + trace, *(1 + 2 * m[..., i, i] - trace for i in range(3))
    zy, xz, yx = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, yz, zx = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 1] + m[..., 1, 2], m[..., 0, 2] + m[..., 2, 0]
    rows = jnp.stack(
        [
            jnp.stack([w, zy, xz, yx], axis=-1),
            jnp.stack([zy, x, xy, zx], axis=-1),
            jnp.stack([xz, xy, y, yz], axis=-1),
            jnp.stack([yx, zx, yz, z], axis=-1),
        ],
        axis=-2,
    )
    largest = jnp.argmax(jnp.stack([w, x, y, z], axis=-1), axis=-1)
    quaternion = jnp.take_along_axis(rows, largest[..., None, None], axis=-2)[..., 0, :]
    quaternion = quaternion / jnp.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = jnp.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    squared = jnp.sum(imaginary * imaginary, axis=-1, keepdims=True)
    sine = jnp.sqrt(_where_large(squared))
    # angle / sin(angle / 2), of which the series is that of 2 arcsin(s) / s.
    series = 2 + squared * (1 / 3 + squared * (3 / 20 + squared * (5 / 56 + squared * 35 / 576)))
    return imaginary * jnp.where(squared < _SERIES_BELOW, series, 2 * jnp.arctan2(sine, real) / sine)


def rotation_matrix(
    rotation: Float[jax.Array | np.ndarray, "*batch_and_numbers"], given_as: Rotations
) -> Float[jax.Array, "*batch 3 3"]:
    """Rotation matrices of rotations given in any of the three ways; matrices are taken as they are.

    Raises:
        ValueError: `given_as` is no such way, or the array does not end in the shape that it needs.
    """
    if given_as not in get_args(Rotations):
        raise ValueError(f"rotations are given as one of {', '.join(get_args(Rotations))}, not {given_as!r}")
    rotation = jnp.asarray(rotation)
    ending = {"axis_angle": (3,), "6d": (6,), "matrix": (3, 3)}[given_as]
    if rotation.shape[-len(ending) :] != ending:
        raise ValueError(f"rotations as {given_as} end in {ending}, not in shape {rotation.shape}")
    if given_as == "axis_angle":
        return axis_angle_to_matrix(rotation)
    return six_to_matrix(rotation) if given_as == "6d" else rotation


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

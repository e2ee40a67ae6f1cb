"""Linear blend skinning along a tree of joints.

    v' = sum_j w_j(v) G_j [v; 1],    G_j = product of (rotation, offset from the parent) from the root down to j

Loper, Mahmood, Romero, Pons-Moll, Black: "SMPL: a skinned multi-person linear model", ACM Transactions on Graphics
34(6), 2015, equations 2-4, which FLAME (Li et al. 2017, equation 1) takes over.

Points are kept as planes, (3, points), so that the innermost loop runs over thousands of points, not over three axes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Float

_HIGHEST = jax.lax.Precision.HIGHEST


def joint_transforms(
    joints: Float[jax.Array, "*batch joints 3"],
    rotations: Float[jax.Array, "*batch joints 3 3"],
    parents: tuple[int, ...],
) -> Float[jax.Array, "*batch joints 3 4"]:
    """Where each joint takes the points that move with it: affine maps from rest to posed coordinates.

    Args:
        joints: Positions at rest.
        rotations: Of each joint relative to its parent.
        parents: Parent of each joint, before it in order; -1 for the root.
    """
    turned: list[jax.Array] = []
    placed: list[jax.Array] = []
    for joint, parent in enumerate(parents):
        rotation, position = rotations[..., joint, :, :], joints[..., joint, :]
        if parent < 0:
            turned.append(rotation)
            placed.append(position)
        else:
            offset = position - joints[..., parent, :]
            turned.append(_product(turned[parent], rotation))
            placed.append(placed[parent] + _applied(turned[parent], offset))
    linear = jnp.stack(turned, axis=-3)
    shift = jnp.stack(placed, axis=-2) - _applied(linear, joints)
    return jnp.concatenate([linear, shift[..., None]], axis=-1)


@jax.custom_jvp
def skinned(
    transforms: Float[jax.Array, "*batch joints 3 4"],
    weights: Float[jax.Array, "joints points"],
    rest: Float[jax.Array, "*batch 3 points"],
) -> Float[jax.Array, "*batch 3 points"]:
    """Points moved by the blend of their joints' transforms; `weights` sum to one over the joints.

    One pass over the points. Its derivative is stated below instead of being left to JAX, whose own for the transforms
    is one sum over all points for each of their elements.
    """
    return _blended(transforms[..., :3], transforms[..., 3], weights, rest)


def _skinned_jvp(primals: tuple[Any, Any, Any], tangents: tuple[Any, Any, Any]) -> tuple[jax.Array, jax.Array]:
    transforms, weights, rest = primals
    d_transforms, d_weights, d_rest = tangents
    tangent = jnp.zeros_like(rest)
    if not isinstance(d_rest, SymbolicZero):
        tangent = _blended(transforms[..., :3], None, weights, d_rest)
    # By a matrix product over the joints, whose transpose is one over the points.
    if not isinstance(d_transforms, SymbolicZero):
        tangent = tangent + _spread(d_transforms, weights, rest)
    if not isinstance(d_weights, SymbolicZero):
        tangent = tangent + _spread(transforms, d_weights, rest)
    return skinned(transforms, weights, rest), tangent


skinned.defjvp(_skinned_jvp, symbolic_zeros=True)


def _spread(transforms: jax.Array, weights: jax.Array, rest: jax.Array) -> jax.Array:
    blend = jnp.einsum("...jia,jv->...iav", transforms, weights, precision=_HIGHEST)
    return jnp.sum(blend[..., :3, :] * rest[..., None, :, :], axis=-2) + blend[..., 3, :]


def _blended(linear: jax.Array, shift: jax.Array | None, weights: jax.Array, rest: jax.Array) -> jax.Array:
    planes = []
    for i in range(3):
        plane = jnp.zeros((), rest.dtype)
        for joint in range(weights.shape[-2]):
            moved: Any = sum(linear[..., joint, i, k, None] * rest[..., k, :] for k in range(3))
            if shift is not None:
                moved = moved + shift[..., joint, i, None]
            weight = weights[..., joint, :]
            plane = plane + weight.reshape((1,) * (moved.ndim - weight.ndim) + weight.shape) * moved
        planes.append(plane)
    return jnp.stack(planes, axis=-2)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision=_HIGHEST)


def _applied(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    return jnp.einsum("...ij,...j->...i", matrix, vector, precision=_HIGHEST)

"""The code of a face: what head and pose it stands for.

In this order: head-model coefficients, coefficients of the residual modes (what the head model cannot express), the
opening of the jaw, the turn (rotation vector, radians) and the shift (mm) of the head against where the head model
puts it. All are divided by constant scales, so that each is of the order of one.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float

from flame_jax.model import Array
from flame_jax.rotations import axis_angle_to_matrix, matrix_to_axis_angle

POSE = 7
"""Numbers besides the coefficients: opening, turn, shift."""
OPENING_SCALE, TURN_SCALE, SHIFT_SCALE_MM = 0.15, 0.04, 3.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class HeadPose:
    """A head as a code says. A pytree; mm."""

    coefficients: Float[Array, "*batch coefficients"]
    """Of the head model's modes, then of the residual modes; each ~ N(0, 1)."""
    opening: Float[Array, "*batch"]
    T_skull_model: Float[Array, "*batch 4 4"]
    """Rigid: from where the head model puts heads to the skull's head frame."""


def encoded(pose: HeadPose) -> Float[jax.Array, " size"]:
    """The code of a head."""
    turn = matrix_to_axis_angle(jnp.asarray(pose.T_skull_model)[:3, :3])
    return jnp.concatenate(
        [
            jnp.asarray(pose.coefficients),
            jnp.asarray(pose.opening)[None] / OPENING_SCALE,
            turn / TURN_SCALE,
            jnp.asarray(pose.T_skull_model)[:3, 3] / SHIFT_SCALE_MM,
        ]
    )


def decoded(code: Float[Array, " size"]) -> HeadPose:
    """The head of a code; a jaw that is more than shut is shut."""
    turn, shift = TURN_SCALE * code[-6:-3], SHIFT_SCALE_MM * code[-3:]
    rotation = axis_angle_to_matrix(turn)
    top = jnp.concatenate([rotation, shift[:, None]], axis=1)
    transform = jnp.concatenate([top, jnp.array([[0.0, 0.0, 0.0, 1.0]], dtype=top.dtype)])
    return HeadPose(code[:-POSE], jnp.maximum(OPENING_SCALE * code[-POSE], 0.0), transform)

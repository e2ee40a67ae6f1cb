"""A wave that costs a few multiplications, where a sine's exact form does not matter."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

RMS = (8 / 15) ** 0.5
"""Root mean square of `wave`."""


def wave(turns: Float[jax.Array, "*batch"]) -> Float[jax.Array, "*batch"]:
    """A sine made of parabolas, with period 1 and height 1: continuous with its first derivative, 0.06 off at most.

    XLA's sine takes three quarters of the time of all other harm on a CPU.
    """
    within = turns - jnp.round(turns)
    return 8.0 * within * (1.0 - 2.0 * jnp.abs(within))


def wave_slope(turns: Float[jax.Array, "*batch"]) -> Float[jax.Array, "*batch"]:
    """Derivative of `wave`."""
    return 8.0 - 32.0 * jnp.abs(turns - jnp.round(turns))

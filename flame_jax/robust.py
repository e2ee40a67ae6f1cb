"""Robust kernels as residuals: r is shrunk to r' so that |r'|^2 / 2 is the kernel of |r|.

A solver of plain least squares then minimises the kernel exactly, and sees its cost and gradient unaltered.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Residuals = Float[jax.Array | np.ndarray, "*batch axes"]


def geman_mcclure(residuals: Residuals, scale: float | jax.Array) -> Float[jax.Array, "*batch axes"]:
    """Residuals of the kernel |r|^2 / 2 / (1 + |r|^2 / scale^2), which an outlier changes by scale^2 / 2 at most.

    Geman and McClure, "Statistical methods for tomographic image reconstruction", Bulletin of the International
    Statistical Institute 52, 1987.

    Args:
        residuals: One vector for each observation; of length 1 for scalar residuals.
        scale: Length at which the kernel has half of its largest value; the unit of the residuals.
    """
    vectors = jnp.asarray(residuals)
    squared = jnp.sum(vectors * vectors, axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(1 + squared / scale**2)


def geman_mcclure_slope(
    residuals: Float[jax.Array | np.ndarray, "*batch"], scale: float | jax.Array
) -> tuple[Float[jax.Array, "*batch"], Float[jax.Array, "*batch"]]:
    """`geman_mcclure` for scalar residuals, and its derivative by each."""
    scalars = jnp.asarray(residuals)
    factor = jax.lax.rsqrt(1 + scalars * scalars / scale**2)
    return scalars * factor, factor**3


def huber(residuals: Residuals, scale: float | jax.Array) -> Float[jax.Array, "*batch axes"]:
    """Residuals of the kernel |r|^2 / 2 up to `scale` and scale (|r| - scale / 2) beyond.

    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35(1), 1964.

    Args:
        residuals: One vector for each observation; of length 1 for scalar residuals.
        scale: Length at which the kernel becomes linear; the unit of the residuals.
    """
    vectors = jnp.asarray(residuals)
    squared = jnp.sum(vectors * vectors, axis=-1, keepdims=True)
    inside = squared <= scale**2
    # The branch not taken must be finite too, or its derivative times zero is not a number.
    length = jnp.sqrt(jnp.where(inside, jnp.ones_like(squared) * scale**2, squared))
    return jnp.where(inside, vectors, vectors * jnp.sqrt(2 * scale * length - scale**2) / length)

"""Values on a regular grid, read between its nodes."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from flame_jax.model import Array

CORNERS = np.array(list(itertools.product((0, 1), repeat=3)), dtype=np.int32)
"""Of a cell, by their steps along the axes."""


def cell_corners(
    shape: tuple[int, ...], places: Float[Array, "points 3"]
) -> tuple[Int[jax.Array, "points 8"], Float[jax.Array, "points 8"]]:
    """The eight nodes around each place, as indices into the flattened grid, and their weights.

    Args:
        shape: Nodes along each axis, at least two.
        places: In cells, from the first node; what lies outside of the grid is taken to its border.
    """
    last = jnp.asarray(shape[:3], jnp.float32) - 1.0
    places = jnp.clip(places, 0.0, last[None])
    low = jnp.clip(jnp.floor(jax.lax.stop_gradient(places)), 0.0, last[None] - 1.0)
    share = (places - low)[:, None]
    corners = jnp.asarray(CORNERS)[None]
    weights = jnp.prod(jnp.where(corners == 1, share, 1.0 - share), axis=2)
    nodes = low.astype(jnp.int32)[:, None] + corners
    return (nodes[..., 0] * shape[1] + nodes[..., 1]) * shape[2] + nodes[..., 2], weights


def trilinear(grid: Float[Array, "x y z *channels"], places: Float[Array, "points 3"]) -> jax.Array:
    """Values (points, *channels) at places, in cells from the first node. Differentiable by grid and places."""
    nodes, weights = cell_corners(grid.shape, places)
    values = jnp.asarray(grid).reshape(-1, *grid.shape[3:])[nodes]
    return jnp.sum(weights.reshape(*weights.shape, *[1] * (values.ndim - 2)) * values, axis=1)

"""Space carried along by a head's displacement: from where a person's head lies back to where the mean head does.

    y = x − D(y),   D = displacement of the surface point closest to y (`fields.head_grids`)

by fixed-point iteration, so that T(y) is, to first order, the signed distance of the displaced head (DESIGN.md, "The
field"). Where lips part, D jumps and the iteration does not settle; y then stays between the lips.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float

from fields.head_grids import HeadGrids
from fields.trilinear import cell_corners, trilinear
from flame_jax.model import Array

ROUNDS = 4
"""Displacements of 10 mm whose slope is 0.2 are then inverted to 10 · 0.2⁴ = 0.02 mm."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DisplacementGrid:
    """D on a grid's nodes: what one person's displacement comes to, for many queries. A pytree; mm."""

    low: Float[Array, "*batch 3"]
    spacing: Float[Array, "*batch"]
    displacement: Float[Array, "*batch x y z 3"]

    def at(self, points: Float[Array, "points 3"]) -> Float[jax.Array, "points 3"]:
        """D at points (mm)."""
        return trilinear(self.displacement, (points - self.low[None]) / self.spacing)


def on_nodes(grids: HeadGrids, displacement: Float[Array, "vertices 3"]) -> DisplacementGrid:
    """D on all nodes, from the displacement of the head's vertices."""
    moved = jnp.asarray(displacement)[grids.ids]
    return DisplacementGrid(grids.low, grids.spacing, jnp.sum(moved * grids.weights[..., None], axis=-2))


def unwarped(
    grids: HeadGrids, displacement: Float[Array, "vertices 3"] | DisplacementGrid, points: Float[Array, "points 3"]
) -> Float[jax.Array, "points 3"]:
    """y of each point x.

    Args:
        grids: Of the mean head.
        displacement: Of its vertices, for few points; or of its nodes, for many.
        points: x, mm, where the head model puts heads.
    """
    points = jnp.asarray(points)
    places = points
    for _ in range(ROUNDS):
        if isinstance(displacement, DisplacementGrid):
            moved = displacement.at(places)
        else:
            moved = _displaced(grids, displacement, places)
        places = points - moved
    return places


def mean_distance(grids: HeadGrids, places: Float[Array, "points 3"]) -> Float[jax.Array, " points"]:
    """T: signed distance of the mean head, mm. Beyond the grid, the way to the grid is added."""
    cells = (places - grids.low[None]) / grids.spacing
    last = jnp.asarray(grids.distance.shape, jnp.float32) - 1.0
    beyond = cells - jnp.clip(cells, 0.0, last[None])
    # The square root has no slope at zero, where nearly all points are.
    squared = jnp.sum(beyond**2, axis=1)
    outside = squared > 0.0
    far = jnp.where(outside, jnp.sqrt(jnp.where(outside, squared, 1.0)), 0.0)
    return trilinear(grids.distance, cells) + grids.spacing * far


def _displaced(grids: HeadGrids, displacement: Array, places: jax.Array) -> jax.Array:
    """D at a few places, without D on all nodes."""
    nodes, shares = cell_corners(grids.distance.shape, (places - grids.low[None]) / grids.spacing)
    ids, weights = jnp.asarray(grids.ids).reshape(-1, 3)[nodes], jnp.asarray(grids.weights).reshape(-1, 3)[nodes]
    return jnp.einsum("pn,pnc,pncd->pd", shares, weights, jnp.asarray(displacement)[ids])

"""What a cloud of skull points says at fixed places of the mean skull: its tokens, before anything is learned.

Each place (an anchor, with the normal of the mean skull there) looks at the points around it that face the same way,
through Gaussian windows of several widths, and takes their means: how many there are, how far they lie from it, how
their normals stand. A mean over points does not depend on their order or number, inner walls face the other way, and
where a part is missing the count tells so. It is attention whose queries are the anchors and whose scores are geometry.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from flame_jax.model import Array

WIDTHS_MM = (4.0, 8.0, 16.0)
"""Standard deviations of the windows: the bones of two people differ by 5 to 10 mm, and the aligner errs by 2."""
FEATURES = 9
"""Numbers for each window: see `pooled`."""
_DENSITY = 0.02
"""Points per mm² that count as plenty, of …"""
_OF_POINTS = 2_048
"""… so many valid ones in all: with more, each counts less, and anchors see the same."""
_FEW = 0.02
"""Share of plenty from which on a window's means are taken for half."""
_AT_ONCE = 64
"""Anchors: their scores then stay in a core's cache. Of 8,192 points all 256 anchors at once take three times as much
processor time, 27 instead of 9 ms; of 2,048 points as much."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Anchors:
    """Places on the mean skull that look at a skull; head frame, mm. A pytree."""

    points: Float[Array, "*batch anchors 3"]
    normals: Float[Array, "*batch anchors 3"]
    """Unit normals, out of the bone."""


def pooled(
    anchors: Anchors,
    points: Float[Array, "points 3"],
    normals: Float[Array, "points 3"],
    valid: Bool[Array, " points"],
) -> Float[jax.Array, "anchors windows features"]:
    """Pool points around anchors; mm, one frame. The number of anchors is a multiple of 64, or less.

    Of each window: how many points it holds (0 none, saturating at 1), their mean offset from the anchor in window
    widths (3) and its mean square (1), their mean normal (3), and their mean height over the anchor along their own
    normals in window widths (1). Everything but the count fades to zero where there are no points.
    """
    points, normals, valid = jnp.asarray(points), jnp.asarray(normals), jnp.asarray(valid)
    each = _OF_POINTS / jnp.maximum(jnp.sum(valid), 1)
    values = jnp.concatenate(
        [jnp.ones((len(points), 1)), points, normals, jnp.sum(points * normals, axis=1, keepdims=True)], axis=1
    )
    squares = jnp.sum(points**2, axis=1)

    def some(group: Anchors) -> jax.Array:
        return _pooled(group, points, normals, valid * each, squares, values)

    count = len(anchors.points)
    if count <= _AT_ONCE:
        return some(anchors)
    groups = jax.tree.map(lambda array: jnp.asarray(array).reshape(-1, _AT_ONCE, 3), anchors)
    return jax.lax.map(some, groups).reshape(count, len(WIDTHS_MM), FEATURES)


def _pooled(
    anchors: Anchors, points: jax.Array, normals: jax.Array, weight: jax.Array, squares: jax.Array, values: jax.Array
) -> jax.Array:
    places = jnp.asarray(anchors.points)
    squared = jnp.sum(places**2, axis=1)[:, None] + squares[None] - 2.0 * places @ points.T
    squared = jnp.maximum(squared, 0.0)
    facing = jnp.maximum(anchors.normals @ normals.T, 0.0) * weight[None]
    windows = []
    for width in WIDTHS_MM:
        weights = jnp.exp(-0.5 / width**2 * squared) * facing
        sums = weights @ values
        total = jnp.maximum(sums[:, :1], 1e-6)
        # Against the points that a plane of plenty has in the window.
        share = sums[:, :1] / (_DENSITY * 2.0 * jnp.pi * width**2)
        means = sums / total
        offset = (means[:, 1:4] - places) / width
        height = (means[:, 7:8] - jnp.sum(places * means[:, 4:7], axis=1, keepdims=True)) / width
        spread = jnp.sum(weights * squared, axis=1, keepdims=True) / total / width**2
        rest = jnp.concatenate([offset, spread, means[:, 4:7], height], axis=1)
        windows.append(jnp.concatenate([share / (1.0 + share), share / (_FEW + share) * rest], axis=1))
    return jnp.stack(windows, axis=1)

"""Depths as they are measured: along a ray from bone to skin, in JAX.

A control's ray has a direction of its own, fixed in the head frame, and asks only the triangles around the skin point
over the mean skull's control.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from data.cohort.controls import Controls
from data.landmarks import abbreviation_of
from data.prior import AnatomyPrior
from flame_jax.model import Array

_TRIANGLES = 256
"""Around each skin point: within about 15 mm on a face of the prior's resolution."""
_NOT_BY_RAY = ("po",)
"""Over porion lies the floor of the concha: its folds are no surface to measure to."""
_FARTHEST_MM = 25.0
"""Skin farther than this beyond or before the wanted depth is other skin."""
_MOST_MM = 5.0
"""A ray that is wrong by more met the nose instead of the lip, or passed under the jaw; bone does not follow it."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rays:
    """Rays of those controls whose depth is measured. A pytree; head frame, mm."""

    control: Int[Array, " rays"]
    """Index of the control."""
    deviation: Int[Array, " rays"]
    """Index of its depth among the deviations."""
    origin: Float[Array, "rays 3"]
    """The control on the mean skull."""
    direction: Float[Array, "rays 3"]
    """Of unit length, from bone to skin."""
    triangles: Int[Array, "rays triangles 3"]
    """Vertices of the skin's triangles to ask."""

    def too_long(
        self,
        head: Float[Array, "head_vertices 3"],
        controls: Float[Array, "controls 3"],
        wanted: Float[Array, " rays"],
    ) -> Float[jax.Array, " rays"]:
        """By how much the way to the skin is longer than wanted when controls are displaced; 0 where none is found.

        The triangle test is that of Möller & Trumbore (J. Graphics Tools 2(1), 1997).
        """
        start = jnp.asarray(self.origin) + jnp.asarray(controls)[self.control]
        along = jnp.asarray(self.direction)[:, None]
        a, b, c = (jnp.asarray(head)[self.triangles[:, :, corner]] for corner in range(3))
        first, second, offset = b - a, c - a, start[:, None] - a
        across = jnp.cross(along, second)
        normal = jnp.cross(offset, first)
        # Twice the area as the ray sees it; positive where the ray leaves the head.
        area = -jnp.sum(first * across, axis=-1)
        leaves = area > 1e-6
        scale = jnp.where(leaves, -1.0 / jnp.where(leaves, area, 1.0), 0.0)
        u = jnp.sum(offset * across, axis=-1) * scale
        v = jnp.sum(along * normal, axis=-1) * scale
        beyond = jnp.sum(second * normal, axis=-1) * scale - wanted[:, None]
        met = leaves & (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (jnp.abs(beyond) < _FARTHEST_MM)
        nearest = jnp.argmin(jnp.where(met, jnp.abs(beyond), jnp.inf), axis=1)
        found = jnp.take_along_axis(beyond, nearest[:, None], axis=1)[:, 0]
        return jnp.where(jnp.any(met, axis=1), jnp.clip(found, -_MOST_MM, _MOST_MM), 0.0)


def make_rays(prior: AnatomyPrior, controls: Controls) -> Rays:
    """The rays of a generator's controls. Runs on the host."""
    head = prior.head_mesh()
    chosen = [row for row in range(controls.depths) if abbreviation_of(controls.names[row]) not in _NOT_BY_RAY]
    centres = head.vertices[head.faces].mean(axis=1)
    squared = ((controls.ties.points[chosen][:, None] - centres[None]) ** 2).sum(axis=-1)
    around = np.argpartition(squared, _TRIANGLES, axis=1)[:, :_TRIANGLES]
    return Rays(
        control=np.array(chosen, np.int32),
        deviation=np.array(chosen, np.int32),
        origin=controls.points[chosen].astype(np.float32),
        direction=controls.directions[chosen].astype(np.float32),
        triangles=head.faces[around].astype(np.int32),
    )

"""What a scanner outside of a skull sees, wholly inside XLA: heights of the surface from many sides, in coarse images.

From each of 26 directions an image keeps the height of the highest surface point in every pixel (a depth buffer,
Catmull 1974); a point is seen from there if nothing in its pixel is much higher. The images are made anew for each
skull, so that what a cut or a hole opens is seen through it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from data.cohort.cuts import dot
from flame_jax.model import Array

PIXEL_MM = 4.0
SEEN_MM = 5.0
"""Where the answer is clear, it is this many mm."""

_AXES = 13
_PIXELS = 96
"""Along each side of an image: a skull in the middle fits from every side."""
_CENTRE = (0.0, 10.0, 10.0)
_STEEPEST = 0.25
"""Cosine between normal and direction below which a scanner sees a surface no more: 75°."""
_TOLERANCE_MM = 1.5
_MM_PER_COSINE = 16.0


def seen_from_outside(
    points: Float[Array, "points 3"],
    normals: Float[Array, "points 3"],
    occluders: Float[Array, "occluders 3"],
    opaque: Bool[Array, " occluders"],
) -> Float[jax.Array, " points"]:
    """How clearly each point is seen: positive where it is, at most SEEN_MM, negative where not. Traceable by jax.

    Args:
        points: Head frame, mm.
        normals: Outward, of unit length.
        occluders: Points spread evenly over the surface, at most about half of PIXEL_MM apart.
        opaque: Which of them are there.
    """
    points, occluders = jnp.asarray(points), jnp.asarray(occluders)

    # A loop of XLA's: written out, points and what is opaque would be computed anew for every view.
    def look(best: jax.Array, view: jax.Array) -> tuple[jax.Array, None]:
        axis, right, up = view
        heights = dot(axis, occluders)
        pixels = jnp.where(opaque, _pixel(occluders, right, up), 2 * _PIXELS**2)
        # The second half is the picture from behind, whose heights are negative.
        image = jnp.full(2 * _PIXELS**2, -jnp.inf).at[pixels].max(heights, mode="drop")
        image = image.at[jnp.where(opaque, pixels + _PIXELS**2, pixels)].max(-heights, mode="drop")
        cosine = dot(axis, normals)
        behind = cosine < 0
        cosine = jnp.abs(cosine)
        height = dot(axis, points) * jnp.where(behind, -1.0, 1.0)
        covered = image[_pixel(points, right, up) + jnp.where(behind, _PIXELS**2, 0)] - height
        # Within one pixel a surface rises by so much.
        steep = jnp.sqrt(jnp.maximum(1.0 - cosine * cosine, 0.0)) / jnp.maximum(cosine, _STEEPEST)
        tolerance = _TOLERANCE_MM + 0.5 * PIXEL_MM * steep
        facing = _MM_PER_COSINE * (cosine - _STEEPEST)
        return jnp.maximum(best, jnp.minimum(tolerance - covered, facing)), None

    best, _ = jax.lax.scan(look, jnp.full(len(points), -SEEN_MM), jnp.asarray(_views()))
    return jnp.minimum(best, SEEN_MM)


def _pixel(points: jax.Array, right: jax.Array, up: jax.Array) -> jax.Array:
    column, row = (
        jnp.clip((dot(side, points) - jnp.sum(side * jnp.asarray(_CENTRE))) / PIXEL_MM + _PIXELS / 2, 0, _PIXELS - 1)
        for side in (right, up)
    )
    return row.astype(jnp.int32) * _PIXELS + column.astype(jnp.int32)


def _views() -> Float[np.ndarray, "axes 3 3"]:
    """Axes evenly over half of the sphere along a spiral (Vogel 1979), each with two unit vectors across it."""
    height = (np.arange(_AXES) + 0.5) / _AXES
    turn = np.arange(_AXES) * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - height**2)
    axes = np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], axis=1)
    right = np.cross(axes, np.eye(3)[np.argmin(np.abs(axes), axis=1)])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([axes, right, np.cross(axes, right)], axis=1).astype(np.float32)

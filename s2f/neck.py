"""Where a closed head ends: the flat cap of its neck, and the plane a little above it that a face is cut off at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from fields.mesh import Mesh

ABOVE_MM = 5.0
"""From the cap to the cut: the cap's rim is rounded, and a field rounds it more."""
_FLAT_MM = 1.0
_FACING = 0.9
"""Least cosine between a triangle of the cap and the cap."""
_LEAST_MM2 = 3_000.0
"""Area of a cap: 12,000 for the shipped head. The underside of a chin has less that is flat."""
_ROUNDS = 12
_FIRST_MM = 12.0
"""Of what counts as flat in the first round, for the underside of the chin is among what is looked at then."""


def neck_cap(head: Mesh) -> Int[np.ndarray, " cap"]:
    """Vertices of the flat triangles that close a head's neck (mm, y up); none where nothing large is flat below.

    It is flat in the head model's own frame, and so need not be level.
    """
    normals, areas = head.face_normals(), head.face_areas()
    centres = head.vertices[head.faces].mean(axis=1)
    bottom, top = head.vertices[:, 1].min(), head.vertices[:, 1].max()
    cap = (normals[:, 1] < -_FACING) & (centres[:, 1] < bottom + 0.15 * (top - bottom))
    for flat in np.geomspace(_FIRST_MM, _FLAT_MM, _ROUNDS):
        if not areas[cap].sum() > _LEAST_MM2:
            return np.zeros(0, dtype=np.int64)
        point, normal = _plane(centres[cap], areas[cap])
        cap = (np.abs((centres - point) @ normal) < flat) & (normals @ normal < -_FACING)
    return np.unique(head.faces[cap])


def neck_cut(
    vertices: Float[np.ndarray, "vertices 3"], cap: Int[np.ndarray, " cap"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """A point on the plane that cuts a head off above its cap, and the unit normal towards the head.

    Args:
        vertices: Of one person's head, mm; people's caps lie and tilt differently.
        cap: Of `neck_cap` of the mean head; three or more.
    """
    points = vertices[cap]
    point, normal = _plane(points, np.ones(len(points)))
    # A cap that is bent is wholly below.
    return point + (max(float(((points - point) @ normal).max()), 0.0) + ABOVE_MM) * normal, normal


def _plane(points: np.ndarray, weights: np.ndarray) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Centre of points, and the normal of their plane that points up."""
    centre = weights @ points / weights.sum()
    off = (points - centre) * np.sqrt(weights)[:, None]
    normal = np.linalg.eigh(off.T @ off)[1][:, 0]
    return centre, normal if normal[1] > 0.0 else -normal

"""Whether a mesh is a skull: what a template, placed but not yet bent, finds of facial skeleton and orbits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.errors import InputError

_LEAST_FACE = 0.22
"""Share of the facial skeleton with a surface within 3 mm that faces its way. Measured: 0.06-0.12 for spheres and
boxes; 0.48 for the coarse CT at hand, 0.33 for half a skull, 0.49-0.91 for whole ones; up to 0.36 for heads."""
_LEAST_ORBIT = 0.3
"""Share of the inner walls of the better orbit with a surface within 5 mm. Measured: at most 0.02 for heads with their
skin on, 0.86 for the coarse CT at hand, 1.00 for sampled skulls, whole, half or without mandible."""


def require_skull(template: Mesh, landmarks: Mapping[str, np.ndarray], skull: Mesh, *, source: str) -> None:
    """Raise `InputError` unless a mesh looks like a skull to the template that was placed on it (head frame, mm)."""
    points = sample_surface(template, 40_000, seed=2)
    normals = template.face_normals()[points.face_ids]
    gap, facing = to_bone(skull, points.points, normals)
    face = facial(points.points, normals, landmarks)
    found = float(((gap < 3.0) & (facing > 0.3))[face].mean())
    remedy = "check the file and its unit, or use --force"
    if found < _LEAST_FACE:
        raise InputError(
            f"{source}: does not look like a skull ({100 * found:.0f} % of a facial skeleton found); {remedy}"
        )
    orbit = _orbit_walls(points.points, normals, landmarks)
    left = points.points[:, 0] > 0
    walls = max(float((gap[orbit & side] < 5.0).mean()) for side in (left, ~left))
    if walls < _LEAST_ORBIT:
        raise InputError(f"{source}: does not look like a skull (no orbits; a face with its skin on?); {remedy}")


def facial(
    points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"], landmarks: Mapping[str, np.ndarray]
) -> Bool[np.ndarray, " points"]:
    """Which surface points belong to the facial skeleton above the lower jaw and look forward (head frame, mm)."""
    top, bottom = landmarks["mso_l"][1] + 8, landmarks["pr"][1] - 4
    height, front = points[:, 1], points[:, 2] > landmarks["zy_l"][2]
    return front & (height < top) & (height > bottom) & (normals[:, 2] > 0.2)


def to_bone(
    skull: Mesh, points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Distance to the nearest bone, and the cosine between its normal and the given one."""
    near = DistanceScene(skull).closest(points)
    facing = np.einsum("pd,pd->p", skull.face_normals()[near.face_ids], normals)
    return np.linalg.norm(near.points - points, axis=1), facing


def _orbit_walls(points: np.ndarray, normals: np.ndarray, landmarks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which surface points lie 15 to 45 mm deep in the orbits and look forward."""
    rim, top = landmarks["mio_l"], landmarks["mso_l"]
    depth, height, across = rim[2] - points[:, 2], points[:, 1], np.abs(points[:, 0])
    deep = (depth > 15) & (depth < 45)
    within = (height > rim[1] + 3) & (height < top[1] - 5) & (across > 12) & (across < 48)
    return deep & within & (normals[:, 2] > 0.3)

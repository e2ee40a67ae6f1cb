"""Signed distances to a face that is open, where they can be trusted.

A CT cuts the skin where its field of view ends. Beyond the cut there is no inside and outside, and near it the closest
point of what is left is not the closest point of the face.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh
from fields.winding_number import winding_number

REACH_MM = 15.0
"""Farther than this from an open face, no distance is taken."""
_ON_EDGE = 1e-3
"""A barycentric weight below this is none: the point lies on the edge across, or on a corner."""
_WRAPPED = 0.25
"""Least winding number about points that a face is around."""


@dataclasses.dataclass(frozen=True)
class Border:
    """Edges with a triangle on one side only, and their ends."""

    edge: Bool[np.ndarray, "faces 3"]
    """Whether the edge across from each corner of a triangle is one."""
    vertex: Bool[np.ndarray, " vertices"]

    @property
    def empty(self) -> bool:
        """Whether the surface is closed."""
        return not self.edge.any()

    def holds(self, faces: Int[np.ndarray, "faces 3"], near: SurfacePoints) -> Bool[np.ndarray, " points"]:
        """Which surface points lie on the border."""
        off = near.barycentric < _ON_EDGE
        on_edge = (off & self.edge[near.face_ids]).any(axis=1)
        corner = faces[near.face_ids, near.barycentric.argmax(axis=1)]
        return on_edge | ((off.sum(axis=1) == 2) & self.vertex[corner])


def border_of(mesh: Mesh) -> Border:
    """The border of a surface: edges that an odd number of triangles share."""
    half = mesh.faces[:, [1, 2, 2, 0, 0, 1]].reshape(-1, 2)
    _, index, count = np.unique(np.sort(half, axis=1), axis=0, return_inverse=True, return_counts=True)
    odd = (count % 2 == 1)[index.reshape(-1)]
    vertex = np.zeros(len(mesh.vertices), dtype=bool)
    vertex[half[odd]] = True
    return Border(odd.reshape(-1, 3), vertex)


def outward(face: Mesh, border: Border, skull_points: Float[np.ndarray, "points 3"]) -> Mesh | None:
    """An open face wound so that it is around the skull, or None if it is not around it either way.

    The half of the points that is nearer to the face decides: a mask of the front wraps but little around the rest.
    """
    near = DistanceScene(face).closest(skull_points)
    gap = np.linalg.norm(near.points - skull_points, axis=1)
    judges = ~border.holds(face.faces, near) & (gap <= np.median(gap))
    if not judges.any():
        return None
    around = float(np.median(winding_number(face, skull_points[judges])))
    if abs(around) < _WRAPPED:
        return None
    return face if around > 0.0 else Mesh(face.vertices, face.faces[:, ::-1])


def trusted_distance(
    face: Mesh, border: Border, scene: DistanceScene, points: Float[np.ndarray, "points 3"]
) -> tuple[Float[np.ndarray, " points"], Bool[np.ndarray, " points"]]:
    """Signed distances (negative inside) to an open face wound outward, and which of them can be trusted.

    Trusted is a point within `REACH_MM` whose closest point is not on the border, and for which two tests agree: the
    generalised winding number is above one half inside and below outside, and the point lies behind or before the
    triangle that it is closest to. The first alone errs near a wide opening, the second at sharp folds and where
    sheets lie on each other.
    """
    near = scene.closest(points)
    distance = scene.distance(points)
    before = np.einsum("pd,pd->p", points - near.points, face.face_normals()[near.face_ids]) > 0.0
    trusted = (distance <= REACH_MM) & ~border.holds(face.faces, near)
    inside = np.zeros(len(points), dtype=bool)
    inside[trusted] = winding_number(face, points[trusted]) > 0.5
    trusted &= inside != before
    return np.where(inside, -distance, distance), trusted

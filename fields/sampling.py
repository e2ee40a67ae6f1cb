"""Points spread over a surface by area."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from fields.distance import SurfacePoints
from fields.mesh import Mesh


def sample_surface(
    mesh: Mesh, count: int, seed: int, face_mask: Bool[np.ndarray, " faces"] | None = None
) -> SurfacePoints:
    """`count` points on the mesh, or on its triangles in `face_mask`, uniform per area, in the mesh's frame and unit.

    One draw falls into each of `count` equal slices of the surface, taken in the order of the triangles, so areas are
    met more evenly than by independent draws; within a triangle by the square-root map of Osada et al., "Shape
    distributions", ACM Trans. Graphics 21 (2002). Raises `ValueError` where the triangles have no area.
    """
    areas = mesh.face_areas()
    if face_mask is not None:
        areas = np.where(face_mask, areas, 0.0)
    ends = np.cumsum(areas)
    if not len(ends) or not ends[-1] > 0.0:
        raise ValueError("no area to sample")
    rng = np.random.default_rng(seed)
    along = (np.arange(count) + rng.random(count)) / count * ends[-1]
    # The last slice may round up to the total, and triangles without area may follow it.
    face_ids = np.minimum(np.searchsorted(ends, along, side="right"), np.flatnonzero(areas)[-1])
    root, share = np.sqrt(rng.random(count)), rng.random(count)
    barycentric = np.stack([1.0 - root, root * (1.0 - share), root * share], axis=1)
    points = np.einsum("pc,pcd->pd", barycentric, mesh.vertices[mesh.faces[face_ids]])
    return SurfacePoints(points, face_ids.astype(np.int64), barycentric)

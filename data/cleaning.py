"""Makes a mesh fit for geometry without moving its surface: doubles and crumbs go, winding becomes consistent."""

from __future__ import annotations

import numpy as np
import open3d as o3d

from data.winding import consistent_winding
from fields.connected_parts import connected_parts
from fields.mesh import Mesh

_MERGE_DISTANCE = 1e-6
"""Of the bounding diagonal: 0.3 micrometres on a skull, above the rounding of 32-bit files, below any real detail."""

_CRUMB_SHARE = 5e-4
"""Of the whole area: a few square centimetres on a skull from CT. A tooth or an ear ossicle on its own may go, a
mandible never does."""


def clean(mesh: Mesh, *, crumb_share: float = _CRUMB_SHARE) -> Mesh:
    """The same surface with shared vertices and without what is no surface.

    In this order: vertices that agree to a millionth of the diagonal merge; triangles that then repeat a vertex, or
    repeat another triangle, go; so do connected pieces with less than `crumb_share` of the whole area, and vertices
    that no triangle uses; winding is made consistent, and outward where the surface is closed.

    A sliver between three different points stays although it has no area: without it the surface would be open.
    """
    mesh = merge_vertices(mesh)
    mesh = _without_degenerate_faces(mesh)
    mesh = _without_crumbs(mesh, crumb_share)
    return consistent_winding(mesh)


def decimate(mesh: Mesh, target_faces: int) -> Mesh:
    """The mesh with about `target_faces` triangles, or as it is if it has no more.

    Quadric error metrics (Garland and Heckbert, Surface simplification using quadric error metrics, SIGGRAPH 1997).
    """
    if len(mesh.faces) <= target_faces:
        return mesh
    full = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(np.array(mesh.vertices, dtype=np.float64)),
        o3d.utility.Vector3iVector(np.array(mesh.faces, dtype=np.int32)),
    )
    less = full.simplify_quadric_decimation(target_number_of_triangles=target_faces)
    decimated = Mesh(np.asarray(less.vertices).copy(), np.asarray(less.triangles).copy())
    return _without_unused_vertices(_without_degenerate_faces(decimated))


def merge_vertices(mesh: Mesh) -> Mesh:
    """The mesh with vertices that agree to a millionth of its diagonal merged; the first of each keeps its place."""
    cell = max(_MERGE_DISTANCE * mesh.diagonal(), np.finfo(np.float64).tiny)
    grid = np.round((mesh.vertices - mesh.vertices.min(axis=0)) / cell).astype(np.int64)
    key = (grid[:, 0] << 42) | (grid[:, 1] << 21) | grid[:, 2]  # each is at most a million, so 21 bits hold it
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    kept = np.sort(first)
    renumber = np.searchsorted(kept, first)[group].astype(np.int32)
    return Mesh(mesh.vertices[kept], renumber[mesh.faces])


def _without_degenerate_faces(mesh: Mesh) -> Mesh:
    corners = np.sort(mesh.faces, axis=1)
    proper = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    _, first = np.unique(corners[proper], axis=0, return_index=True)
    return Mesh(mesh.vertices, mesh.faces[proper][np.sort(first)])


def _without_crumbs(mesh: Mesh, crumb_share: float) -> Mesh:
    face_piece = connected_parts(mesh)[mesh.faces[:, 0]]
    area = np.bincount(face_piece, mesh.face_areas())
    keep = area >= crumb_share * area.sum()
    return _without_unused_vertices(Mesh(mesh.vertices, mesh.faces[keep[face_piece]]))


def _without_unused_vertices(mesh: Mesh) -> Mesh:
    used, faces = np.unique(mesh.faces, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32))

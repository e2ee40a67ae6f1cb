"""Data that the tests make for themselves."""

from __future__ import annotations

import numpy as np
import trimesh

from fields.mesh import Mesh


def sphere(radius: float = 100.0, *, subdivisions: int = 3, centre: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """A closed sphere wound outward, of 20 · 4^subdivisions triangles."""
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.array(made.vertices) + np.array(centre, dtype=float), np.array(made.faces, dtype=np.int32))


def box(size: tuple[float, float, float] = (150.0, 200.0, 180.0), *, subdivisions: int = 3) -> Mesh:
    """A closed box around the origin wound outward, of 12 · 4^subdivisions triangles."""
    made = trimesh.creation.box(extents=size)
    for _ in range(subdivisions):
        made = made.subdivide()
    return Mesh(np.array(made.vertices), np.array(made.faces, dtype=np.int32))


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces).astype(np.int32))


def inside_out(mesh: Mesh) -> Mesh:
    """The mesh wound the other way."""
    return Mesh(mesh.vertices, mesh.faces[:, ::-1])


def volume(mesh: Mesh) -> float:
    """Enclosed volume of a closed mesh, negative if it is wound inward."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float(np.einsum("fd,fd->", a, np.cross(b, c)) / 6.0)

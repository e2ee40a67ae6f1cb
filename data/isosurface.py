"""Closed surfaces of a volume at a level, by marching cubes, in the volume's physical coordinates."""

from __future__ import annotations

import mcubes
import numpy as np
from jaxtyping import Float
from scipy import sparse

from data.volume_files import Volume
from data.volume_grid import LOWEST_HU
from fields.connected_parts import connected_parts
from fields.mesh import Mesh, submesh


def isosurface(grid: Volume, field: Float[np.ndarray, "z y x"], level: float) -> Mesh:
    """The surface around what is brighter than `level`, wound outward; closed flat where the volume ends.

    `field` holds the values, `grid` says where its voxels lie. Marching cubes after Lorensen and Cline (1987).
    """
    # mcubes is not watertight where a value equals the level exactly.
    field = np.where(np.abs(field - level) < 1e-3, np.float32(level + 1e-3), field)
    padded = np.pad(field, 1, constant_values=LOWEST_HU)
    vertices, faces = mcubes.marching_cubes(padded, level)
    vertices = grid.physical(vertices - 1.0)
    mesh = Mesh(vertices, faces.astype(np.int32))
    return mesh if _volumes(mesh).sum() >= 0.0 else Mesh(vertices, mesh.faces[:, ::-1].copy())


def largest_part(mesh: Mesh) -> Mesh:
    """The connected part that encloses most."""
    parts = connected_parts(mesh)
    enclosed = np.bincount(parts[mesh.faces[:, 0]], _volumes(mesh))
    return submesh(mesh, parts == enclosed.argmax())


def without_small_parts(mesh: Mesh, least: float) -> Mesh:
    """The mesh without connected parts, solid or hollow, that enclose less than `least` (cubic mm)."""
    parts = connected_parts(mesh)
    enclosed = np.bincount(parts[mesh.faces[:, 0]], _volumes(mesh))
    return submesh(mesh, (np.abs(enclosed) >= least)[parts])


def smoothed(mesh: Mesh, rounds: int) -> Mesh:
    """Taubin's smoothing without shrinkage (SIGGRAPH 1995): uniform weights, lambda 0.5, mu -0.53."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    count = len(mesh.vertices)
    ones = np.ones(len(edges))
    neighbours = sparse.csr_array((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    neighbours = neighbours + neighbours.T
    neighbours = sparse.diags_array(1.0 / np.maximum(neighbours.sum(axis=1), 1.0)) @ neighbours
    vertices = mesh.vertices
    for _ in range(rounds):
        for step in (0.5, -0.53):
            vertices = vertices + step * (neighbours @ vertices - vertices)
    return Mesh(vertices, mesh.faces)


def _volumes(mesh: Mesh) -> Float[np.ndarray, " faces"]:
    """Signed volumes of the tetrahedra over each triangle; they add up to what a closed mesh encloses."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] - mesh.vertices.mean(axis=0) for corner in range(3))
    return np.einsum("fi,fi->f", a, np.cross(b, c)) / 6.0

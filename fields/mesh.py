"""Triangle meshes: the one type that skulls, heads and faces travel in."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A triangle mesh. Units and frame are the caller's; faces wind counter-clockwise seen from outside."""

    vertices: Float[np.ndarray, "vertices 3"]
    """Positions."""
    faces: Int[np.ndarray, "faces 3"]
    """Indices of vertices."""

    def transformed(self, transform: Float[np.ndarray, "4 4"]) -> Mesh:
        """The mesh in another frame, `transform` being an affine 4×4 that keeps orientation."""
        return Mesh(transform_points(transform, self.vertices), self.faces)

    def face_normals(self) -> Float[np.ndarray, "faces 3"]:
        """Unit normals of the triangles; zero where a triangle has no area."""
        return _unit(_face_cross(self))

    def face_areas(self) -> Float[np.ndarray, " faces"]:
        """Areas of the triangles, in the square of the mesh's unit."""
        return 0.5 * np.linalg.norm(_face_cross(self), axis=1)

    def vertex_normals(self) -> Float[np.ndarray, "vertices 3"]:
        """Unit area-weighted normals at the vertices; zero at a vertex without area around it."""
        cross = _face_cross(self)
        sums = np.stack(
            [
                np.bincount(self.faces.ravel(), np.repeat(cross[:, axis], 3), minlength=len(self.vertices))
                for axis in range(3)
            ],
            axis=1,
        )
        return _unit(sums)

    def diagonal(self) -> float:
        """Length of the bounding box's diagonal, in the mesh's unit."""
        return float(np.linalg.norm(np.ptp(self.vertices, axis=0)))


def transform_points(
    transform: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Apply an affine 4×4 to points."""
    return points @ transform[:3, :3].T + transform[:3, 3]


def submesh(mesh: Mesh, keep: np.ndarray) -> Mesh:
    """The triangles whose three vertices are all in the boolean vertex mask `keep`, with the vertices they use."""
    faces = mesh.faces[keep[mesh.faces].all(axis=1)]
    used = np.unique(faces)
    renumber = np.zeros(len(mesh.vertices), dtype=np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    return Mesh(mesh.vertices[used], renumber[faces])


def _face_cross(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

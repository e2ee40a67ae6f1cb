"""Exact distances to, and rays against, a triangle mesh (open3d's ray-casting scene on the host)."""

from __future__ import annotations

import dataclasses

import numpy as np
import open3d as o3d
from jaxtyping import Bool, Float, Int

from fields.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class SurfacePoints:
    """Points on a mesh, each given by a triangle and its barycentric coordinates."""

    points: Float[np.ndarray, "points 3"]
    """Positions, in the mesh's frame and unit."""
    face_ids: Int[np.ndarray, " points"]
    """Triangle of each point."""
    barycentric: Float[np.ndarray, "points 3"]
    """Weights of the triangle's three corners."""

    @classmethod
    def of(
        cls, mesh: Mesh, face_ids: Int[np.ndarray, " points"], barycentric: Float[np.ndarray, "points 3"]
    ) -> SurfacePoints:
        """Points of a mesh from triangles and barycentric coordinates."""
        corners = mesh.vertices[mesh.faces[face_ids]]
        return cls(np.einsum("pc,pcd->pd", barycentric, corners), face_ids, barycentric)

    def on(self, mesh: Mesh) -> Float[np.ndarray, "points 3"]:
        """The same surface points on another mesh of the same topology."""
        return SurfacePoints.of(mesh, self.face_ids, self.barycentric).points


@dataclasses.dataclass(frozen=True)
class RayHits:
    """First hits of rays."""

    distance: Float[np.ndarray, " rays"]
    """Length along the unit direction; infinite where nothing was hit."""
    face_ids: Int[np.ndarray, " rays"]
    """Triangle hit, -1 where nothing was."""
    barycentric: Float[np.ndarray, "rays 3"]
    """Weights of the triangle's three corners."""
    hit: Bool[np.ndarray, " rays"]
    """Whether anything was hit."""


class DistanceScene:
    """A mesh prepared for closest-point, signed-distance and ray queries."""

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            np.ascontiguousarray(mesh.vertices, dtype=np.float32), np.ascontiguousarray(mesh.faces, dtype=np.uint32)
        )

    def signed_distance(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
        """Distance to the surface, negative inside. The mesh must be closed."""
        distance = self._scene.compute_signed_distance(_query(points.reshape(-1, 3)), nsamples=3)
        return distance.numpy().astype(np.float64).reshape(points.shape[:-1])

    def distance(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
        """Unsigned distance to the surface, which may be open."""
        distance = self._scene.compute_distance(_query(points.reshape(-1, 3)))
        return distance.numpy().astype(np.float64).reshape(points.shape[:-1])

    def closest(self, points: Float[np.ndarray, "points 3"]) -> SurfacePoints:
        """The closest surface point of each query."""
        answer = self._scene.compute_closest_points(_query(points))
        return SurfacePoints(
            answer["points"].numpy().astype(np.float64),
            answer["primitive_ids"].numpy().astype(np.int64),
            _barycentric(answer["primitive_uvs"].numpy()),
        )

    def blocked(
        self, origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]
    ) -> Bool[np.ndarray, " rays"]:
        """Whether each ray hits anything, which takes less than to find what."""
        rays = np.concatenate([origins, directions], axis=-1)
        return self._scene.test_occlusions(_query(rays)).numpy()

    def cast(self, origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]) -> RayHits:
        """First hit of each ray; `directions` are unit vectors."""
        rays = np.concatenate([origins, directions], axis=-1)
        answer = self._scene.cast_rays(_query(rays))
        distance = answer["t_hit"].numpy().astype(np.float64)
        hit = np.isfinite(distance)
        face_ids = np.where(hit, answer["primitive_ids"].numpy().astype(np.int64), -1)
        return RayHits(distance, face_ids, _barycentric(answer["primitive_uvs"].numpy()), hit)


def _query(array: np.ndarray) -> o3d.core.Tensor:
    return o3d.core.Tensor(np.ascontiguousarray(array, dtype=np.float32))


def _barycentric(uv: np.ndarray) -> np.ndarray:
    return np.concatenate([1.0 - uv.sum(axis=-1, keepdims=True), uv], axis=-1).astype(np.float64)

"""Distances between a predicted and a true surface, as they lie: nothing here aligns one to the other.

Both meshes are in one frame, in mm; the predicted one may be open. "Signed" always means: positive where the prediction
lies outside the true surface, judged by the true surface's normal n at a true point p and a predicted point q that
belong together (one is the point closest to the other): the sign of n · (q − p).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh
from fields.sampling import sample_surface

WITHIN_MM = (2.0, 2.5, 5.0)
"""Tolerances of DESIGN.md, "Measuring"."""
SAMPLES = 20_000
_ON_EDGE = 1e-3
"""Barycentric slack within which a closest point counts as lying on an edge or a corner (single precision)."""


@dataclasses.dataclass(frozen=True)
class PointErrors:
    """Distances at points drawn uniformly per area from one surface."""

    points: Float[np.ndarray, "points 3"]
    """Where they were measured, on the surface that was sampled."""
    signed_mm: Float[np.ndarray, " points"]
    """Distance to the other surface, positive where the prediction lies outside the true surface."""
    normal_cosine: Float[np.ndarray, " points"]
    """|cosine| between the normals of the two triangles."""

    def where(self, mask: Bool[np.ndarray, " points"]) -> PointErrors:
        """The errors at some of the points."""
        return PointErrors(self.points[mask], self.signed_mm[mask], self.normal_cosine[mask])


@dataclasses.dataclass(frozen=True)
class DistanceStatistics:
    """What is reported of distances d over a surface. All are NaN where `samples` is 0."""

    samples: int
    mean_mm: float
    """Mean |d|."""
    signed_mean_mm: float
    sd_mm: float
    """Standard deviation of the signed distances."""
    rms_mm: float
    p95_mm: float
    """95th percentile of |d|."""
    within_2_mm_percent: float
    within_2_5_mm_percent: float
    within_5_mm_percent: float
    normal_consistency: float
    """Mean |cosine| between the surfaces' normals, as in Mescheder et al., "Occupancy Networks", CVPR 2019."""


@dataclasses.dataclass(frozen=True)
class SurfaceErrors:
    """Both directions between two surfaces."""

    true_to_predicted: DistanceStatistics
    """From the true surface in the region to the prediction; the one that is quoted. A missing part counts as error."""
    predicted_to_true: DistanceStatistics
    """From the prediction, where it lies over the region, to the true surface. A part too many counts as error."""


def surface_errors(
    predicted: Mesh, true: Mesh, region_mask: Bool[np.ndarray, " faces"], count: int = SAMPLES, seed: int = 0
) -> SurfaceErrors:
    """Statistics of the distances between two surfaces (one frame, mm) over a region of the true one, both ways.

    `region_mask` is over the triangles of `true`. At most `count` points are drawn per direction.
    """
    return SurfaceErrors(
        summarise(errors_of_true(predicted, true, region_mask, count, seed)),
        summarise(errors_of_predicted(predicted, true, region_mask, count, seed)),
    )


def errors_of_true(
    predicted: Mesh, true: Mesh, region_mask: Bool[np.ndarray, " faces"], count: int = SAMPLES, seed: int = 0
) -> PointErrors:
    """Distances from `count` points of the true surface's region to the predicted surface (one frame, mm)."""
    samples = sample_surface(true, count, seed, region_mask)
    closest = DistanceScene(predicted).closest(samples.points)
    true_normals = true.face_normals()[samples.face_ids]
    cosine = np.abs(_dot(true_normals, predicted.face_normals()[closest.face_ids]))
    return PointErrors(samples.points, _signed(true_normals, closest.points - samples.points), cosine)


def errors_of_predicted(
    predicted: Mesh, true: Mesh, region_mask: Bool[np.ndarray, " faces"], count: int = SAMPLES, seed: int = 0
) -> PointErrors:
    """Distances from points of the predicted surface that lie over the region to the true surface (one frame, mm).

    A point lies over the region if its closest true point is in it. Points whose closest true point lies on an open
    border of the true mesh are left out: there the truth was cut off, and the distance says nothing. Empty when the
    prediction has no point over the region.
    """
    scene = DistanceScene(true)
    # Draw only from triangles that reach the region, then judge each point by itself.
    near = region_mask[scene.closest(predicted.vertices).face_ids][predicted.faces].any(axis=1)
    if not (predicted.face_areas()[near] > 0.0).any():
        return PointErrors(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    samples = sample_surface(predicted, count, seed, near)
    closest = scene.closest(samples.points)
    true_normals = true.face_normals()[closest.face_ids]
    cosine = np.abs(_dot(true_normals, predicted.face_normals()[samples.face_ids]))
    errors = PointErrors(samples.points, _signed(true_normals, samples.points - closest.points), cosine)
    return errors.where(region_mask[closest.face_ids] & ~on_border(true, closest))


def per_vertex_error(mesh: Mesh, other: Mesh) -> Float[np.ndarray, " vertices"]:
    """Signed distance from each vertex of `mesh` to `other` (one frame, mm) for an error map.

    Positive where `other` lies outside `mesh`, by the vertex's normal: with the true mesh first, where the prediction
    lies outside.
    """
    closest = DistanceScene(other).closest(mesh.vertices)
    return _signed(mesh.vertex_normals(), closest.points - mesh.vertices)


def summarise(errors: PointErrors) -> DistanceStatistics:
    """The reported statistics of distances at points drawn uniformly per area."""
    signed, count = errors.signed_mm, len(errors.signed_mm)
    if not count:
        nothing = float("nan")
        return DistanceStatistics(0, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
    distance = np.abs(signed)
    within_2, within_2_5, within_5 = (100.0 * float(np.mean(distance <= tolerance)) for tolerance in WITHIN_MM)
    return DistanceStatistics(
        count,
        float(distance.mean()),
        float(signed.mean()),
        float(signed.std()),
        float(np.sqrt(np.mean(signed**2))),
        float(np.percentile(distance, 95.0)),
        within_2,
        within_2_5,
        within_5,
        float(errors.normal_cosine.mean()),
    )


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("pd,pd->p", a, b)


def _signed(true_normals: np.ndarray, true_to_predicted: np.ndarray) -> np.ndarray:
    side = np.where(_dot(true_normals, true_to_predicted) < 0.0, -1.0, 1.0)
    return side * np.linalg.norm(true_to_predicted, axis=1)


def on_border(mesh: Mesh, at: SurfacePoints) -> Bool[np.ndarray, " points"]:
    """Whether points of a mesh lie on its open border: on an edge of one triangle only, or an end of such an edge."""
    edges = np.sort(mesh.faces[:, [[1, 2], [2, 0], [0, 1]]], axis=2).reshape(-1, 2).astype(np.int64)
    _, index, uses = np.unique(edges @ [len(mesh.vertices), 1], return_inverse=True, return_counts=True)
    single = uses[index] == 1
    opposite = single.reshape(-1, 3)[at.face_ids]
    border_vertex = np.zeros(len(mesh.vertices), dtype=bool)
    border_vertex[edges[single]] = True
    corner = border_vertex[mesh.faces[at.face_ids]]
    return ((opposite & (at.barycentric < _ON_EDGE)) | (corner & (at.barycentric > 1.0 - _ON_EDGE))).any(axis=1)

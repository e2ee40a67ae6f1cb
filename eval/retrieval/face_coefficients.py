"""A face as coefficients of a head model: of faces with the model's topology, and of any surface.

Both are least squares under the model's own prior, N(0, 1) for each coefficient, over the same points of the face
region, turn and move being free: where a face lies does not matter.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Float

from fields.distance import SurfacePoints
from fields.head_to_field import SampledField, fit_head_to_field, sampled_distance
from flame_jax.flame import Flame
from flame_jax.model import HeadModel

_SD_MM = 1.0
"""Of a point, beside the prior: as `fields.head_to_field` has it in the end."""


@dataclasses.dataclass(frozen=True)
class FaceCoefficients:
    """Finds coefficients."""

    head: HeadModel
    """mm, coefficients ~ N(0, 1)."""
    places: SurfacePoints
    """Points of the face region on the model's mean head."""

    def of_points(self, faces: Float[np.ndarray, "people points 3"]) -> Float[np.ndarray, "people identities"]:
        """Of faces of this topology, given by the points `places`, each in any pose (mm).

        Each is turned onto the mean face (Kabsch 1976); the turn that is left is small enough to be linear.
        """
        mean = self.places.points
        columns = np.concatenate([self._modes.reshape(-1, self._modes.shape[2]), _small_motions(mean)], axis=1)
        prior = np.diag(np.r_[np.ones(self._modes.shape[2]), np.zeros(6)])
        solve = np.linalg.solve(columns.T @ columns / _SD_MM**2 + prior, columns.T / _SD_MM**2)
        away = _turned_onto(mean, faces.astype(np.float64)) - mean
        return away.reshape(len(faces), -1) @ solve[: self._modes.shape[2]].T

    def of_surface(self, field: SampledField) -> Float[np.ndarray, " identities"]:
        """Of the surface where a field is zero: the model's face is fitted to it, point to plane, closest points moving
        along. Fields of one shape share a compiled program."""
        return fit_head_to_field(self._flame, sampled_distance, (field,), weights=self._weights).betas

    @functools.cached_property
    def _modes(self) -> Float[np.ndarray, "points 3 identities"]:
        corners = self.head.shapedirs[self.head.faces[self.places.face_ids]].astype(np.float64)
        return np.einsum("pc,pcdk->pdk", self.places.barycentric, corners)

    @functools.cached_property
    def _flame(self) -> Flame:
        return Flame.of(self.head)

    @functools.cached_property
    def _weights(self) -> Float[np.ndarray, " vertices"]:
        """Each vertex by how much of the points it carries, so that the face counts evenly and nothing else does."""
        corners = self.head.faces[self.places.face_ids].ravel()
        return np.bincount(corners, self.places.barycentric.ravel(), len(self.head.v_template)).astype(np.float32)


def _small_motions(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "coordinates 6"]:
    """What a small turn about each axis through the centre, and a move along it, does to all coordinates."""
    axes, arms = np.eye(3), points - points.mean(axis=0)
    turns = [np.cross(axis, arms).ravel() for axis in axes]
    moves = [np.broadcast_to(axis, arms.shape).ravel() for axis in axes]
    return np.stack([*turns, *moves], axis=1)


def _turned_onto(
    mean: Float[np.ndarray, "points 3"], faces: Float[np.ndarray, "people points 3"]
) -> Float[np.ndarray, "people points 3"]:
    centred, goal = faces - faces.mean(axis=1, keepdims=True), mean - mean.mean(axis=0)
    u, _, vt = np.linalg.svd(np.einsum("pi,npj->nij", goal, centred))
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
    return np.einsum("nij,npj->npi", u @ vt, centred) + mean.mean(axis=0)

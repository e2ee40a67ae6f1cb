"""How unlike a predicted face all faces of a gallery are, by three measures; 0 is the same, and less is liker.

- Surface, as it lies: mean distance from a face's points to the predicted surface. Faces lie in the head frames of
  their own skulls and the prediction where the aligner and the method put it; nothing is moved by the truth. Who has
  faces without skulls cannot search like this.
- Surface, faces aligned: the same after each face was moved onto the prediction, rigidly, by least squares of its
  distances. Only shape is left. Nowhere else in this project is a face aligned to another.
- Coefficients: one minus the cosine between coefficients of the gallery's head model, whitened by the gallery's mean
  and covariance (Mahalanobis cosine: Moon and Phillips, "Computational and performance aspects of PCA-based
  face-recognition algorithms", Perception 30, 2001). Free of place too.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from eval.retrieval.face_coefficients import FaceCoefficients
from eval.retrieval.gallery import Gallery
from fields.distance import DistanceScene
from fields.head_to_field import SampledField, sampled_distance
from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction
from flame_jax.rotations import axis_angle_to_matrix

AS_IT_LIES, ALIGNED, COEFFICIENTS = "surface, as it lies", "surface, faces aligned", "coefficients"
MEASURES = (AS_IT_LIES, ALIGNED, COEFFICIENTS)
_SPACING_MM = 2.0
"""Of the prediction's distances on a grid."""
_MARGIN_MM = 15.0
"""Around all faces of the gallery; what lies farther out has the distance of the border."""
_ROUNDS, _EVERY = 4, 4
"""Of aligning a face, whose closest points change with its place; by every fourth point, which is enough for a pose."""
_BATCH = 100
"""Faces in one step of the program: a compromise with memory."""


@dataclasses.dataclass(frozen=True)
class FaceSearch:
    """A gallery made ready to be searched."""

    gallery: Gallery
    coefficients: FaceCoefficients
    """Of the gallery's head model and points."""

    def unlikeness(self, predicted: Mesh, true_head: Mesh) -> dict[str, Float[np.ndarray, " faces"]]:
        """Of the true face, and then of each face of the gallery, by measure.

        Args:
            predicted: Frame of the gallery's faces, mm; it may be open.
            true_head: Of the gallery's topology; head frame of the person's skull, mm.
        """
        own = self.gallery.face_of(true_head)[None]
        field = SampledField.of(distances_to(predicted), *self.box, _SPACING_MM)
        lying, aligned = _mean_distances(field, np.concatenate([own, self.gallery.faces]))
        known = np.concatenate([self._white(self.coefficients.of_points(own)), self._known])
        found = self._white(self.coefficients.of_surface(field)[None])[0]
        cosine = known @ found / (np.linalg.norm(known, axis=1) * np.linalg.norm(found) + 1e-12)
        return {AS_IT_LIES: np.asarray(lying), ALIGNED: np.asarray(aligned), COEFFICIENTS: 1.0 - cosine}

    @functools.cached_property
    def box(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Corners of a box around all faces of the gallery, mm."""
        points = self.gallery.faces.reshape(-1, 3).astype(np.float64)
        return points.min(axis=0) - _MARGIN_MM, points.max(axis=0) + _MARGIN_MM

    @functools.cached_property
    def _raw(self) -> Float[np.ndarray, "people identities"]:
        return self.coefficients.of_points(self.gallery.faces)

    @functools.cached_property
    def _known(self) -> Float[np.ndarray, "people identities"]:
        return self._white(self._raw)

    @functools.cached_property
    def _covariance_factor(self) -> Float[np.ndarray, "identities identities"]:
        """A gallery of fewer people than coefficients leaves directions open: the model's own covariance, the identity,
        counts as one more person for each."""
        away = self._raw - self._raw.mean(axis=0)
        people, width = away.shape
        return np.linalg.cholesky((away.T @ away + width * np.eye(width)) / (people + width))

    def _white(self, raw: Float[np.ndarray, "people identities"]) -> Float[np.ndarray, "people identities"]:
        away = raw - self._raw.mean(axis=0)
        return scipy.linalg.solve_triangular(self._covariance_factor, away.T, lower=True).T


def distances_to(mesh: Mesh) -> DistanceFunction:
    """Signed distances to a surface that may be open (mm), negative behind it by the normals of its vertices."""
    scene, normals = DistanceScene(mesh), mesh.vertex_normals()

    def distances(points: np.ndarray) -> np.ndarray:
        closest = scene.closest(points)
        away = points - closest.points
        outward = np.einsum("pc,pcd->pd", closest.barycentric, normals[mesh.faces[closest.face_ids]])
        return np.where((away * outward).sum(axis=1) < 0.0, -1.0, 1.0) * np.linalg.norm(away, axis=1)

    return distances


@jax.jit
def _mean_distances(
    field: SampledField, faces: Float[jax.Array | np.ndarray, "people points 3"]
) -> tuple[Float[jax.Array, " people"], Float[jax.Array, " people"]]:
    """Of each face to the field's surface, mm: as it lies, and aligned."""

    def of_one(points: jax.Array) -> tuple[jax.Array, jax.Array]:
        def mean(points: jax.Array) -> jax.Array:
            return jnp.mean(jnp.abs(sampled_distance(points, field)))

        return mean(points), mean(_aligned(points, field))

    return jax.lax.map(of_one, jnp.asarray(faces), batch_size=min(_BATCH, len(faces)))


def _aligned(points: Float[jax.Array, "points 3"], field: SampledField) -> Float[jax.Array, "points 3"]:
    """Points moved rigidly to the least squares of their distances, by Gauss and Newton."""

    def closer(_: jax.Array, points: jax.Array) -> jax.Array:
        few = points[::_EVERY]
        distance, pullback = jax.vjp(lambda at: sampled_distance(at, field), few)
        (slope,) = pullback(jnp.ones_like(distance))
        centre = jnp.mean(few, axis=0)
        columns = jnp.concatenate([jnp.cross(few - centre[None], slope), slope], axis=1)
        squares = columns.T @ columns
        damped = squares + 1e-4 * jnp.diag(jnp.diag(squares)) + 1e-6 * jnp.eye(6)
        step = -jnp.linalg.solve(damped, columns.T @ distance)
        return (points - centre[None]) @ axis_angle_to_matrix(step[:3]).T + (centre + step[3:])[None]

    with jax.default_matmul_precision("highest"):
        return jax.lax.fori_loop(0, _ROUNDS, closer, points)

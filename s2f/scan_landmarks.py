"""Landmarks on a scan and the points of a head model that belong to them."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from fields.mesh import transform_points
from flame_jax.errors import InputError
from flame_jax.landmark_embedding import CONTOUR_COUNT, FULL_COUNT, INNER_COUNT, LandmarkEmbedding, LandmarkEmbeddings
from flame_jax.model import HeadModel
from flame_jax.parameters import similarity

_FEWEST = 4
"""Landmarks that place a head; three would agree with a mirrored one."""
_MISPLACED = 0.25
"""Median distance of the landmarks from the mean head's after the best similarity, as a part of their own spread (root
mean square distance from their middle), above which they are not a face's in this order."""


@dataclasses.dataclass(frozen=True)
class ScanLandmarks:
    """Pairs of points; lengths in mm."""

    points: Float[np.ndarray, "landmarks 3"]
    """On the scan; not-a-number where missing."""
    corners: Int[np.ndarray, "landmarks 3"]
    """Vertices of the model around each."""
    b_coords: Float[np.ndarray, "landmarks 3"]
    """Weights of these vertices."""
    first: int
    """Place of the first of them in the user's list: 17 where the contour was left out."""

    @classmethod
    def of(
        cls,
        points: Float[np.ndarray, "given 3"],
        model: HeadModel,
        embeddings: LandmarkEmbeddings | None = None,
        *,
        source: str,
    ) -> ScanLandmarks:
        """Pair 51, 68 or 105 points (mm) with the model's, by their number.

        Args:
            points: In the order of iBUG or of MediaPipe's embedding; not-a-number where missing.
            model: Its own embedding serves where `embeddings` has none that fits.
            embeddings: What an embedding file has.
            source: What to call the landmarks in messages.

        Raises:
            InputError: No embedding for so many points, one that is not the model's, or too few points.
        """
        embedding = _embedding(len(points), model, embeddings or LandmarkEmbeddings(), source)
        first = len(points) - len(embedding.face_idx)
        points = points[first:]
        known = int(np.isfinite(points).all(axis=1).sum())
        if known < _FEWEST:
            raise InputError(f"{source}: only {known} landmarks of use are given; give at least {_FEWEST}, or none")
        return cls(points, embedding.corners(model), embedding.b_coords.astype(np.float64), first)

    def on(self, vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "landmarks 3"]:
        """The model's landmarks for positions of all of its vertices."""
        return np.einsum("lc,lcd->ld", self.b_coords, vertices[self.corners])

    def place(self, mean: Float[np.ndarray, "vertices 3"], *, scaled: bool, source: str) -> Float[np.ndarray, "4 4"]:
        """The rigid motion (or, if `scaled`, similarity) that lays a model's mean (mm) on the landmarks.

        Raises:
            InputError: The landmarks are not those of a face, in any pose.
        """
        known = np.isfinite(self.points).all(axis=1)
        model_points, points = self.on(mean)[known], self.points[known]
        # Scale is free here, so that a wrong order is told from a wrong unit.
        placed = similarity(model_points, points, scaled=True)
        miss = np.median(np.linalg.norm(transform_points(placed, model_points) - points, axis=1))
        spread = np.sqrt(np.mean(np.sum((points - points.mean(axis=0)) ** 2, axis=1)))
        if not miss <= _MISPLACED * spread:
            raise InputError(
                f"{source}: the landmarks do not lie as on a face; check their order, and that the embedding was made "
                "for the head model"
            )
        growth = float(np.cbrt(np.linalg.det(placed[:3, :3])))
        if not scaled and not 0.5 < growth < 2.0:
            raise InputError(
                f"{source}: the landmarks are {growth:.3g} times as far apart as on the mean head; "
                "give them in the scan's unit, or --unit, or --scale if the scan's size is unknown"
            )
        return similarity(model_points, points, scaled=scaled)


def _embedding(count: int, model: HeadModel, given: LandmarkEmbeddings, source: str) -> LandmarkEmbedding:
    own = None
    if model.lmk_face_idx is not None and model.lmk_b_coords is not None:
        own = LandmarkEmbedding(model.lmk_face_idx, model.lmk_b_coords, name=model.name)
    inner = given.static or (own if own is not None and len(own.face_idx) == INNER_COUNT else None)
    of_own_count = own if own is not None and len(own.face_idx) == count else None
    found: LandmarkEmbedding | None
    if count == INNER_COUNT:
        found = inner
    elif count == FULL_COUNT:
        # The contour of a face seen from the front; without one the inner points serve.
        found = given.full or of_own_count or inner
        if given.full is None and given.static is not None and given.contour is not None:
            found = given.sixty_eight(0.0)
    else:
        found = given.mediapipe or of_own_count
    if found is None:
        raise InputError(
            f"{source}: head model {model.name!r} says nothing of where {count} landmarks lie; "
            "give its --landmark-embedding, or a --head-model that has one, or leave the landmarks out"
        )
    assert len(found.face_idx) in (count, count - CONTOUR_COUNT)
    return found

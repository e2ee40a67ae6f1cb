"""How far a predicted head lies from a true face of the test set, over the face and its parts.

The region and its parts are taken in the true head frame, from the undamaged skull's own landmarks, and then travel
with the surface: neither a prediction nor an aligner's error chooses what is scored. Distances are those of
`eval.metrics`, as the surfaces lie.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from eval.metrics import (
    DistanceStatistics,
    PointErrors,
    SurfaceErrors,
    errors_of_predicted,
    errors_of_true,
    on_border,
    per_vertex_error,
    summarise,
)
from eval.regions import region_faces, sub_region_masks
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points

SAMPLES = 4_000
"""Points of each face. One face's mean is then within 0.02 mm of that of 20,000 points; a hundred faces' far nearer."""
FACE = "face"
"""The whole region, beside its parts."""


@dataclasses.dataclass(frozen=True)
class TrueFace:
    """A true head with its face region, in the frame (mm) in which predictions lie."""

    head: Mesh
    triangles: Bool[np.ndarray, " faces"]
    """Of the face."""
    landmarks: Mapping[str, Float[np.ndarray, "3"]]
    """Of the undamaged skull, true head frame."""
    T_predicted_true: Float[np.ndarray, "4 4"]
    """Rigid: from the true head frame to the frame in which predictions lie."""

    @classmethod
    def of(
        cls,
        head: Mesh,
        landmarks: Mapping[str, Float[np.ndarray, "3"]],
        T_predicted_true: Float[np.ndarray, "4 4"] | None = None,
    ) -> TrueFace:
        """Prepare a head for scoring.

        Args:
            head: True head frame, mm.
            landmarks: Of its undamaged skull, true head frame, mm.
            T_predicted_true: From the true head frame to where predictions lie; the identity if None.

        Raises:
            InputError: Landmarks that the face needs are missing.
        """
        transform = np.eye(4) if T_predicted_true is None else T_predicted_true
        return cls(head.transformed(transform), region_faces(head, "face", landmarks), landmarks, transform)

    def parts(self, points: Float[np.ndarray, "points 3"]) -> dict[str, Bool[np.ndarray, " points"]]:
        """For points of the face, in the frame of predictions, which part each lies in."""
        return sub_region_masks(transform_points(np.linalg.inv(self.T_predicted_true), points), self.landmarks)


@dataclasses.dataclass(frozen=True)
class FaceErrors:
    """Errors of one prediction."""

    whole: SurfaceErrors
    """Over the face, both ways."""
    parts: Mapping[str, DistanceStatistics]
    """True surface to prediction, by part of the face."""

    def mean_mm(self, region: str = FACE) -> float:
        """Mean distance from the true face, or a part of it, to the prediction."""
        return self.whole.true_to_predicted.mean_mm if region == FACE else self.parts[region].mean_mm


def face_errors(predicted: Mesh, truth: TrueFace, count: int = SAMPLES, seed: int = 0) -> FaceErrors:
    """Errors of a predicted head that lies in the frame of `truth` (mm); it may be open.

    `count` points are drawn in each direction, the same of the true face for every prediction with one seed.
    """
    onto_predicted = errors_of_true(predicted, truth.head, truth.triangles, count, seed)
    back = errors_of_predicted(predicted, truth.head, truth.triangles, count, seed)
    return FaceErrors(SurfaceErrors(summarise(onto_predicted), summarise(back)), _by_part(onto_predicted, truth))


def vertex_errors(predicted: Mesh, truth: TrueFace) -> Float[np.ndarray, " vertices"]:
    """Signed distance from each vertex of the true face to a prediction in its frame (mm), for maps: positive where the
    prediction lies outside, not a number at vertices of the head where nothing is scored."""
    scored = np.unique(truth.head.faces[truth.triangles])
    errors = np.full(len(truth.head.vertices), np.nan)
    errors[scored] = per_vertex_error(truth.head, predicted)[scored]
    return errors


def vertex_errors_of_prediction(predicted: Mesh, truth: TrueFace) -> Float[np.ndarray, " vertices"]:
    """Signed distance from each vertex of a prediction to the true face in its frame (mm), for maps that do not show
    the truth: positive where the prediction lies outside, not a number where the closest true point is not scored or
    lies on the border of the truth."""
    closest = DistanceScene(truth.head).closest(predicted.vertices)
    gap = predicted.vertices - closest.points
    side = np.einsum("vd,vd->v", truth.head.face_normals()[closest.face_ids], gap)
    scored = truth.triangles[closest.face_ids] & ~on_border(truth.head, closest)
    return np.where(scored, np.where(side < 0.0, -1.0, 1.0) * np.linalg.norm(gap, axis=1), np.nan)


def _by_part(errors: PointErrors, truth: TrueFace) -> dict[str, DistanceStatistics]:
    return {name: summarise(errors.where(mask)) for name, mask in truth.parts(errors.points).items()}

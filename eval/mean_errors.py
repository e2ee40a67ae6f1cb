"""Errors averaged over subjects at corresponding points, to be drawn on one head.

True heads of one topology correspond vertex by vertex, and are averaged themselves. Others, such as skins from CTs,
which no picture shows besides, have nothing in common but their skulls' landmarks: the prior's mean head is laid on
each by the similarity that takes its skull's landmarks to the subject's, and each of its vertices takes the error of
the closest true point. On 24 people of ICT-FaceKit, among whom correspondence is known, the points that a vertex met
lay 2.9 mm from their mean place on average and 6.0 mm at the 95th percentile; splines through the landmarks, of any
stiffness, did no better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from data.face_region import face_triangles
from data.prior import AnatomyPrior
from data.warp import similarity
from eval.evaluation import SubjectSurfaces
from eval.face_errors import TrueFace, vertex_errors
from fields.distance import DistanceScene
from fields.mesh import Mesh

_LEAST_SHARE = 0.5
"""Of the subjects, that have to be scored at a point; elsewhere the mean would be of a few odd ones."""


@dataclasses.dataclass(frozen=True)
class MeanErrors:
    """Mean errors at the vertices of one head; not a number where too few subjects are scored."""

    head: Mesh
    """Head frame, mm."""
    distance_mm: Float[np.ndarray, " vertices"]
    """Mean over subjects of the distance from the true face to the prediction."""
    signed_mm: Float[np.ndarray, " vertices"]
    """The same with its sign, positive where the prediction lies outside: what is wrong in everybody alike."""
    subjects: int


def mean_errors(surfaces: Sequence[SubjectSurfaces], prior: AnatomyPrior) -> MeanErrors:
    """Average the errors of subjects, each of them counting once.

    Args:
        surfaces: Of the subjects, one at least.
        prior: Whose mean head stands for heads of different topologies, and for people's own skin.
    """
    truths = [each.truth for each in surfaces]
    signed = [vertex_errors(each.predicted, each.truth) for each in surfaces]
    # Where an error changes its sign between vertices its size is not the size of what lies between.
    values = [np.stack([np.abs(errors), errors], axis=1) for errors in signed]
    faces = truths[0].head.faces
    alike = all(np.array_equal(truth.head.faces, faces) for truth in truths)
    if alike and not any(each.own_skin for each in surfaces):
        heads = [truth.head.transformed(np.linalg.inv(truth.T_predicted_true)).vertices for truth in truths]
        head = Mesh(np.mean(heads, axis=0), faces)
    else:
        head = prior.head_mesh()
        values = [_carried(each, truth, prior) for each, truth in zip(values, truths, strict=True)]
    distance, mean = _mean(np.stack(values)).T
    return MeanErrors(head, distance, mean, len(surfaces))


def _carried(
    values: Float[np.ndarray, "vertices 2"], truth: TrueFace, prior: AnatomyPrior
) -> Float[np.ndarray, "prior_vertices 2"]:
    """Values at a true head's vertices, at those of the prior's mean head; not a number off the mean head's face."""
    head, landmarks = prior.head_mesh(), prior.landmark_points()
    shared = [name for name in landmarks if name in truth.landmarks]
    here, there = (np.stack([points[name] for name in shared]) for points in (landmarks, truth.landmarks))
    laid = head.transformed(truth.T_predicted_true @ similarity(here, there))
    face = np.unique(head.faces[face_triangles(head, landmarks)])
    near = DistanceScene(truth.head).closest(laid.vertices[face])
    carried = np.full((len(head.vertices), values.shape[1]), np.nan)
    carried[face] = np.einsum("pc,pcv->pv", near.barycentric, values[truth.head.faces[near.face_ids]])
    return carried


def _mean(values: Float[np.ndarray, "subjects vertices 2"]) -> Float[np.ndarray, "vertices 2"]:
    """Over the subjects that have a value."""
    found = np.isfinite(values).sum(axis=0)
    return np.where(found >= _LEAST_SHARE * len(values), np.nansum(values, axis=0) / np.maximum(found, 1), np.nan)

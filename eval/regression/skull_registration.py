"""A placed skull as the named points that regressions learn from: what registration found, and how far to believe it.

The aligner bends the template onto the bone (`data.nonrigid`), so that a vertex of the bent template stands for the
same place on every skull. Before it is compared with training people, whose points are known exactly,

- the cranium is laid where theirs lie, a jaw that stands open is shut, and points without bone under them are left out;
- the points are replaced by what they make likely: their mean under a Gaussian that has the principal components of the
  training people's points, given points that err.

A regression that was fitted without errors can then be used as it is (regression calibration: Carroll, Ruppert,
Stefanski, Crainiceanu, "Measurement error in nonlinear models", 2nd ed., 2006, chapter 4), and what is missing follows
from the rest (Blanz, Mehl, Vetter, Seidel: "A statistical method for robust 3D surface reconstruction from sparse
data", 3DPVT 2004).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from sklearn.decomposition import PCA

from data.jaw import mandible_mask
from data.prior import AnatomyPrior
from data.warp import similarity
from eval.held_out.case import Placed
from eval.regression.training_people import TrainingPeople
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points

NOISE_MM = 5.0
"""Standard deviation of a point in each direction, as if points erred independently. They err by 1.9 mm (undamaged
skulls of the held-out set), and the seven points around each node of the bend err together."""
_ON_BONE_MM = 3.0
"""Farther than this from any bone, a point of the bent template has none under it. On undamaged skulls of the held-out
set 99 % of the points lie nearer."""
COMPONENTS = 300
"""Of the points: all but 0.6 % of the training people's variance."""


@dataclasses.dataclass(frozen=True)
class RegisteredSkull:
    """A skull among the training people; their head frame, mm."""

    points: Float[np.ndarray, "points 3"]
    """Where the kept vertices of the prior's skull lie most likely."""
    T_people_aligned: Float[np.ndarray, "4 4"]
    """Rigid: from the aligned head frame to theirs."""

    def aligned(self, head: Mesh) -> Mesh:
        """A head of the training people's frame in the aligned head frame, mm."""
        return head.transformed(np.linalg.inv(self.T_people_aligned))


@dataclasses.dataclass(frozen=True)
class SkullRegistration:
    """What makes placed skulls comparable with training people. All of it is theirs."""

    prior: AnatomyPrior
    people: TrainingPeople
    is_jaw: Bool[np.ndarray, " vertices"]
    """Vertices of the prior's skull that belong to the mandible."""
    axes: PCA
    """Of the people's points."""

    @classmethod
    def of(cls, people: TrainingPeople, prior: AnatomyPrior) -> SkullRegistration:
        """Prepare for people and the prior that skulls are aligned with, whose skull is theirs."""
        axes = PCA(min(COMPONENTS, len(people) - 1), svd_solver="randomized", random_state=0).fit(people.seen())
        return cls(prior, people, mandible_mask(prior.skull, prior.landmark_points()), axes)

    def __call__(self, placed: Placed) -> RegisteredSkull:
        """Of a skull that was aligned with the prior."""
        bent = placed.alignment.bent_skull
        on_bone = DistanceScene(placed.skull).distance(bent.vertices) < _ON_BONE_MM
        if not placed.alignment.jaw.present:
            on_bone &= ~self.is_jaw  # it was bent onto something else
        shut = self._shut(placed)
        T_people_aligned = similarity(shut, self.prior.skull.vertices, self.people.cranium * on_bone, scaled=False)
        points = transform_points(T_people_aligned, shut)[self.people.points]
        return RegisteredSkull(self._likely(points, on_bone[self.people.points]), T_people_aligned)

    def _shut(self, placed: Placed) -> Float[np.ndarray, "vertices 3"]:
        """The bent template with its jaw where it is shut."""
        alignment = placed.alignment
        T_shut_open = np.linalg.inv(alignment.jaw.T_open_closed)
        T_shut_open[:3, 3] *= alignment.scale  # the jaw's motion is told at the template's size
        vertices = alignment.bent_skull.vertices
        return np.where(self.is_jaw[:, None], transform_points(T_shut_open, vertices), vertices)

    def _likely(
        self, points: Float[np.ndarray, "points 3"], on_bone: Bool[np.ndarray, " points"]
    ) -> Float[np.ndarray, "points 3"]:
        """The mean of the Gaussian, given points of which some count."""
        mean, axes = self.axes.mean_.reshape(-1, 3), self.axes.components_.reshape(-1, len(points), 3)
        seen = axes[:, on_bone].reshape(len(axes), -1)
        precision = seen @ seen.T / NOISE_MM**2 + np.diag(1.0 / self.axes.explained_variance_)
        scores = scipy.linalg.solve(precision, seen @ (points - mean)[on_bone].ravel() / NOISE_MM**2, assume_a="pos")
        return mean + np.tensordot(scores, axes, axes=1)

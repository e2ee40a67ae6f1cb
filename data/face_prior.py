"""Makes the constants of a face field from an anatomy prior. Runs on the host."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data.model_on_head import farthest_first
from data.prior import AnatomyPrior
from data.registration import Oriented
from fields.anchor_pooling import Anchors
from fields.face_prior import FacePrior
from fields.first_estimate import FirstEstimate
from fields.head_grids import head_grids
from fields.mesh import Mesh

_CANDIDATES = 20_000
_BEHIND = 0.6
"""Behind the ears anchors stand farther apart, by the inverse of this: the vault tells little about a face."""
_FACE_FROM_MM = 20.0
"""In front of the poria."""


def make_anchors(prior: AnatomyPrior, count: int) -> Anchors:
    """Places spread over what is seen of the prior's skull from outside, closest together on its face."""
    seen = Oriented.exposed(prior.skull, _CANDIDATES)
    landmarks = prior.landmark_points()
    ears = 0.5 * (landmarks["po_l"][2] + landmarks["po_r"][2])
    stretch = np.where(seen.points[:, 2] > ears + _FACE_FROM_MM, 1.0, _BEHIND)
    chosen = farthest_first(seen.points * stretch[:, None], count)
    return Anchors(seen.points[chosen].astype(np.float32), seen.normals[chosen].astype(np.float32))


def make_face_prior(
    head_mean: Float[np.ndarray, "vertices 3"],
    modes: Float[np.ndarray, "vertices 3 coefficients"],
    open_mouth: Float[np.ndarray, "vertices 3"],
    faces: np.ndarray,
    anchors: Anchors,
    first: FirstEstimate,
) -> FacePrior:
    """Rasterise a head model; mm, where it puts heads: `fields.head_grids` takes some seconds."""
    grids = head_grids(Mesh(np.asarray(head_mean, np.float64), np.asarray(faces)))
    return FacePrior(
        np.asarray(head_mean, np.float32),
        np.asarray(modes, np.float32),
        np.asarray(open_mouth, np.float32),
        np.asarray(faces, np.int32),
        grids,
        anchors,
        first,
    )

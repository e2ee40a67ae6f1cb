"""How deep tissue varies between the landmarks: as it does at those around, for no table says."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data.cohort.controls import Controls
from data.face_region import face_triangles
from data.prior import AnatomyPrior

_SITES = 150
_LENGTH_MM = 25.0
"""Landmarks within about this distance speak for a site."""


def skin_between(
    prior: AnatomyPrior, controls: Controls
) -> tuple[Float[np.ndarray, "sites identities"], Float[np.ndarray, " sites"]]:
    """Sites on the face, drawn evenly: the skin's coordinate along its normal (mm per coefficient), and the standard
    deviation that depth has there, which is the geometric mean of the landmarks' around."""
    head = prior.head_mesh()
    faces = np.flatnonzero(face_triangles(head, prior.landmark_points()))
    areas = head.face_areas()[faces]
    chosen = np.random.default_rng(0).choice(faces, _SITES, replace=False, p=areas / areas.sum())
    shapes = prior.head.shapedirs[head.faces[chosen]].astype(np.float64).mean(axis=1)
    target = np.einsum("sd,sdk->sk", head.face_normals()[chosen], shapes)
    squared = ((head.vertices[head.faces[chosen]].mean(axis=1)[:, None] - controls.ties.points[None]) ** 2).sum(axis=-1)
    share = np.exp(-0.5 * squared / _LENGTH_MM**2)
    sd = np.exp(share @ np.log(controls.sd[: controls.depths]) / share.sum(axis=1))
    return target, sd

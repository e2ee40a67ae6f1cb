"""Depth of the skin over craniometric landmarks: how far the true skin lies along a line, and how far from it the
predicted one does.

A soft-tissue landmark is a place on the skin that somebody chose, and no prediction comes with it. What can be had of
every surface is where a line from a landmark on the bone leaves it: the depth that tissue-depth tables are about. The
line's direction is the template's at that landmark, in the head frame, so that no method and no aligner chooses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data.landmarks import abbreviation_of
from data.prior import AnatomyPrior
from data.skull_in_head import SCALP
from fields.distance import DistanceScene
from fields.mesh import Mesh

_BEHIND_MM = 2.0
"""Lines start this far behind a landmark, which may lie a little out of the bone."""
_OVERLAP_MM = 0.05
"""Both searches for a predicted surface start this far on the other side of the true one, which they may lie in."""
_REACH_MM = 50.0
"""What a line meets farther than this from the true skin is another side of the head."""


@dataclasses.dataclass(frozen=True)
class DepthRays:
    """Lines from landmarks on the bone through the true skin; head frame, mm."""

    names: tuple[str, ...]
    """Landmarks, by the keys of `data.landmarks`."""
    directions: Float[np.ndarray, "rays 3"]
    """Unit, outward."""
    skin: Float[np.ndarray, "rays 3"]
    """Where each line leaves the true skin."""
    depth_mm: Float[np.ndarray, " rays"]
    """How far that is from the landmark."""


def depth_rays(landmarks: Mapping[str, Float[np.ndarray, "3"]], skin: Mesh, prior: AnatomyPrior) -> DepthRays:
    """The lines at all landmarks that have a depth in the prior's table and true skin over them. The scalp's are left
    out, as in all that is scored: that of head models is hair.

    Args:
        landmarks: Of the skull; head frame, mm.
        skin: True; head frame, mm. It may be open.
        prior: Whose template's directions are taken.
    """
    outward = dict(zip(prior.control_names, prior.directions, strict=True))
    names = [name for name in prior.tissue.points() if name in landmarks and abbreviation_of(name) not in SCALP]
    directions = np.array([outward[name] for name in names], np.float64).reshape(-1, 3)
    points = np.array([landmarks[name] for name in names], np.float64).reshape(-1, 3)
    depth = DistanceScene(skin).cast(points - _BEHIND_MM * directions, directions).distance - _BEHIND_MM
    met = np.flatnonzero(np.isfinite(depth))
    points, directions, depth = points[met], directions[met], depth[met]
    return DepthRays(tuple(names[row] for row in met), directions, points + depth[:, None] * directions, depth)


def depth_errors(rays: DepthRays, predicted: Mesh) -> Float[np.ndarray, " rays"]:
    """How much deeper than the true skin a predicted surface (head frame, mm) is over each landmark: negative where it
    is too thin, NaN where the line does not meet it near by.

    Where a line meets the surface several times, the place next to the true skin counts.
    """
    scene = DistanceScene(predicted)
    outward = scene.cast(rays.skin - _OVERLAP_MM * rays.directions, rays.directions).distance - _OVERLAP_MM
    inward = _OVERLAP_MM - scene.cast(rays.skin + _OVERLAP_MM * rays.directions, -rays.directions).distance
    nearest = np.where(np.abs(outward) <= np.abs(inward), outward, inward)
    return np.where(np.abs(nearest) <= _REACH_MM, nearest, np.nan)


def depth_energy(rays: DepthRays, samples: Sequence[Mesh]) -> float:
    """Energy score of sampled faces (head frame, mm) as a forecast of the depths over the landmarks, mm; lower is
    better, and a single face's score would be the root mean square of its `depth_errors`.

    Gneiting and Raftery, J. Am. Stat. Assoc. 102(477), 2007, section 4.3, with the unbiased mean over pairs of
    different samples, divided by the square root of the number of depths. Landmarks whose line misses a sample are left
    out; NaN where none is left. Raises `ValueError` for fewer than two samples.
    """
    count = len(samples)
    if count < 2:
        raise ValueError("an energy score needs two samples")
    errors = np.stack([depth_errors(rays, sample) for sample in samples])
    errors = errors[:, np.isfinite(errors).all(axis=0)]
    if not errors.shape[1]:
        return float("nan")
    apart = np.linalg.norm(errors[:, None] - errors[None], axis=2).sum() / (count * (count - 1))
    return float((np.linalg.norm(errors, axis=1).mean() - 0.5 * apart) / np.sqrt(errors.shape[1]))

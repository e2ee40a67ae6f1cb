"""Whether a face's own account of its error holds: coverage of intervals along the normal, and what the sd is worth.

At a point p of the true face let q be the closest point of the predicted mean, n the predicted normal there and σ the
predicted standard deviation along it, both interpolated from the vertices. The error is e = ±|p − q|, positive where
n · (p − q) is: p − q is parallel to n but for edges, where the projection on n would hide what is missed. The
prediction says e ~ N(0, σ²). Points within a head are not independent, so every interval here is over subjects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.optimize
import scipy.stats
from jaxtyping import Bool, Float

from eval.bootstrap import Estimate, draws, estimate, mean_over_subjects
from eval.face_errors import FACE, TrueFace
from eval.metrics import per_vertex_error
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.sampling import sample_surface

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Of the intervals."""
SAMPLES = 2_000
"""Points of each face."""
_LEAST_SD_MM = 1e-3
"""A standard deviation of 0 would make any error impossible."""


@dataclasses.dataclass(frozen=True)
class NormalErrors:
    """Errors along the normal at points spread evenly over one true face."""

    error_mm: Float[np.ndarray, " points"]
    """Positive where the truth lies outside the prediction."""
    sd_mm: Float[np.ndarray, " points"]
    """That was predicted."""
    parts: Mapping[str, Bool[np.ndarray, " points"]]
    """Which points lie in each part of the face."""

    def regions(self) -> dict[str, Bool[np.ndarray, " points"]]:
        """The face, and its parts."""
        return {FACE: np.ones(len(self.error_mm), dtype=bool), **self.parts}


def normal_errors(
    mean: Mesh, sd_mm: Float[np.ndarray, " vertices"], truth: TrueFace, count: int = SAMPLES, seed: int = 0
) -> NormalErrors:
    """Errors of a predicted mean head that has a standard deviation along the normal at each vertex.

    `mean` lies in the frame of `truth` (mm).
    """
    true = sample_surface(truth.head, count, seed, truth.triangles).points
    near = DistanceScene(mean).closest(true)
    corners = mean.faces[near.face_ids]
    normals = np.einsum("pc,pcd->pd", near.barycentric, mean.vertex_normals()[corners])
    gap = true - near.points
    side = np.where(np.einsum("pd,pd->p", normals, gap) < 0.0, -1.0, 1.0)
    sd = np.einsum("pc,pc->p", near.barycentric, sd_mm[corners])
    return NormalErrors(side * np.linalg.norm(gap, axis=1), np.maximum(sd, _LEAST_SD_MM), truth.parts(true))


def sd_of_samples(mean: Mesh, samples: Sequence[Mesh]) -> Float[np.ndarray, " vertices"]:
    """Standard deviation of sample surfaces at the vertices of a mean, mm, about the samples' own mean.

    Samples may have any topology: each is met at its closest point, as the truth is in `normal_errors`. Raises
    `ValueError` for fewer than two.
    """
    if len(samples) < 2:
        raise ValueError("a spread needs two samples")
    met = np.stack([per_vertex_error(mean, sample) for sample in samples])
    return met.std(axis=0, ddof=1)


@dataclasses.dataclass(frozen=True)
class RegionCalibration:
    """Of the face or of one part of it, over all subjects."""

    coverage: Mapping[float, Estimate]
    """Share of the area inside the interval, by the interval's level; mean over subjects."""
    sd_mm: float
    """Root mean square of what was predicted …"""
    rms_mm: float
    """… and of the errors."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a method's uncertainty is worth."""

    subjects: int
    regions: Mapping[str, RegionCalibration]
    spearman: Estimate
    """Rank correlation of sd and |error| over the points of all subjects together."""
    spearman_within: Estimate
    """The same within each head, mean over subjects: whether it knows where, not only in whom."""
    crps_mm: Estimate
    """Continuous ranked probability score of N(0, sd²); lower is better."""
    crps_constant_mm: Estimate
    """Of the one width for all points that is best on these very errors, which favours it."""
    crps_gain_mm: Estimate
    """What is gained over that width, paired by subject."""
    constant_mm: float
    """That width."""


def calibrate(heads: Sequence[NormalErrors]) -> Calibration:
    """Judge the uncertainty of predictions, one per subject. Raises `ValueError` without any."""
    if not heads:
        raise ValueError("no predictions to judge")
    errors, sds = ([getattr(head, name) for head in heads] for name in ("error_mm", "sd_mm"))
    constant = _best_constant(np.concatenate(errors))
    own = np.array([gaussian_crps(error, sd).mean() for error, sd in zip(errors, sds, strict=True)])
    even = np.array([gaussian_crps(error, np.full_like(error, constant)).mean() for error in errors])
    return Calibration(
        subjects=len(heads),
        regions={name: _of_region(heads, name) for name in heads[0].regions()},
        spearman=_pooled_spearman(errors, sds),
        spearman_within=mean_over_subjects(
            np.array([_spearman(np.abs(error), sd) for error, sd in zip(errors, sds, strict=True)])
        ),
        crps_mm=mean_over_subjects(own),
        crps_constant_mm=mean_over_subjects(even),
        crps_gain_mm=mean_over_subjects(even - own),
        constant_mm=constant,
    )


def gaussian_crps(
    error: Float[np.ndarray, " points"], sd: Float[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """Continuous ranked probability score of N(0, sd²) at an error, in its unit.

    Gneiting and Raftery, J. Am. Stat. Assoc. 102(477), 2007, equation 21.
    """
    z = error / sd
    return sd * (z * (2.0 * scipy.stats.norm.cdf(z) - 1.0) + 2.0 * scipy.stats.norm.pdf(z) - 1.0 / np.sqrt(np.pi))


def _of_region(heads: Sequence[NormalErrors], name: str) -> RegionCalibration:
    pairs = [(head.error_mm[mask], head.sd_mm[mask]) for head in heads if (mask := head.regions()[name]).any()]
    coverage = {}
    for level in LEVELS:
        reach = scipy.stats.norm.ppf(0.5 + 0.5 * level)
        coverage[level] = mean_over_subjects(
            np.array([float(np.mean(np.abs(error) <= reach * sd)) for error, sd in pairs])
        )
    squares = [np.array([float(np.mean(pair[which] ** 2)) for pair in pairs]) for which in (1, 0)]
    sd, rms = (float(np.sqrt(square.mean())) if len(square) else float("nan") for square in squares)
    return RegionCalibration(coverage, sd, rms)


def _best_constant(error: np.ndarray) -> float:
    """The standard deviation that gives the errors the least score."""
    size = float(np.sqrt(np.mean(error**2))) + _LEAST_SD_MM

    def score(share: float) -> float:
        return float(gaussian_crps(error, np.full_like(error, share * size)).mean())

    return size * float(scipy.optimize.minimize_scalar(score, bounds=(0.05, 3.0), method="bounded").x)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """NaN where either is constant."""
    ranks = np.stack([scipy.stats.rankdata(values) for values in (a, b)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    sizes = np.sqrt((ranks**2).sum(axis=1)).prod()
    return float(ranks[0] @ ranks[1] / sizes) if sizes > 0.0 else float("nan")


def _pooled_spearman(errors: Sequence[np.ndarray], sds: Sequence[np.ndarray], draws_count: int = 200) -> Estimate:
    value = _spearman(np.abs(np.concatenate(errors)), np.concatenate(sds))
    # Ranks have to be taken anew in each draw: of every tenth point, which moves the interval little.
    few = [(np.abs(error[::10]), sd[::10]) for error, sd in zip(errors, sds, strict=True)]
    drawn = []
    for rows in draws(len(errors), draws_count):
        drawn.append(_spearman(*(np.concatenate([few[row][which] for row in rows]) for which in (0, 1))))
    return estimate(value, np.array(drawn), len(errors))

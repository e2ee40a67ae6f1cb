"""Depths on a scan of a head, bone and skin, at the landmarks that our aligner finds, against a cohort's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data.landmarks import BY_ABBREVIATION
from data.skull_in_head import HAIR_CAP_MM, SCALP
from eval.cohort.thickness import Thickness
from fields.distance import DistanceScene
from fields.mesh import Mesh

_BEHIND_MM = 2.0
"""Rays start this far behind the landmark, which lies on a bent template and may be a little out of the bone."""


@dataclasses.dataclass(frozen=True)
class ScanDepth:
    """One landmark of one scan."""

    point: str
    """Abbreviation, with its side."""
    depth_mm: float
    cohort_mean_mm: float
    """On the scalp without the hair cap, which scans do not have."""
    cohort_sd_mm: float

    @property
    def deviation(self) -> float:
        """From the cohort's mean, in its standard deviations."""
        return (self.depth_mm - self.cohort_mean_mm) / self.cohort_sd_mm


def scan_depths(
    landmarks: Mapping[str, Float[np.ndarray, "3"]],
    directions: Mapping[str, Float[np.ndarray, "3"]],
    skin: Mesh,
    cohort: Sequence[Thickness],
) -> list[ScanDepth]:
    """Depths along rays at all landmarks that have bone under them and skin over them.

    Args:
        landmarks: Of the scan's skull, as `data.align.Alignment` has them; head frame, mm.
        directions: Unit vectors from bone to skin, by the same names.
        skin: In the head frame, mm.
        cohort: What is measured on the cohort.
    """
    there = {
        point: one
        for one in cohort
        for point in BY_ABBREVIATION[one.landmark].points()
        if point in landmarks and point in directions
    }
    outward = np.stack([directions[point] for point in there])
    hits = DistanceScene(skin).cast(np.stack([landmarks[point] for point in there]) - _BEHIND_MM * outward, outward)
    return [
        ScanDepth(
            point,
            float(distance) - _BEHIND_MM,
            one.mean_mm - (HAIR_CAP_MM if one.landmark in SCALP else 0.0),
            one.sd_mm,
        )
        for (point, one), distance in zip(there.items(), hits.distance, strict=True)
        if np.isfinite(distance)
    ]

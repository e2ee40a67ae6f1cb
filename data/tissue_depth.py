"""Facial soft-tissue depths between paired hard- and soft-tissue landmarks."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data.landmarks import BY_ABBREVIATION, FRANKFURT, abbreviation_of
from flame_jax.errors import InputError

SOURCE = (
    "Hona & Stephan, Int. J. Legal Medicine 138:519-535 (2024), doi 10.1007/s00414-023-03087-x, T-Table-Global-2023"
)

KAPPA = 0.7
"""Share of the table's standard deviation taken for one population: its figures pool many studies and methods."""

FULLNESS_LOADING: Mapping[str, float] = {
    "op": 0.3, "v": 0.2, "g": 0.2, "n": 0.1, "mn": 0.1, "rhi": 0.1, "ss": 0.4, "mp": 0.4, "pr": 0.4,
    "id": 0.4, "sm": 0.5, "pg": 0.6, "gn": 0.8, "me": 0.9, "mso": 0.2, "mio": 0.5, "ac": 0.5, "go": 0.9,
    "zy": 0.8, "sC": 0.5, "iC": 0.6, "ecm2(s)": 0.95, "ecm2(i)": 0.95, "mr": 0.95, "mmb": 0.95,
}  # fmt: skip
"""How much of a depth's deviation follows the fullness of the face, -1..1. An assumption of ours: that cheeks, jaw
and ramus follow body mass most, brow and nasal bones least, is established (De Greef et al. 2009); these coefficients
are not."""

BMI_CORRELATION = 0.6
"""Of fullness and body-mass index, which has mean 25 and standard deviation 4.5 kg/m² in adults. All three are
assumptions of ours, not published figures."""

LEFT_RIGHT_CORRELATION = 0.8
"""Of the residual depths at the two sides of one landmark. An assumption of ours."""


@dataclasses.dataclass(frozen=True)
class TissueDepths:
    """Mean and standard deviation of the depth at each landmark, adults pooled, mm."""

    mean: Mapping[str, float]
    """By abbreviation, both sides alike."""
    sd: Mapping[str, float]
    """By abbreviation."""

    def at(self, key: str, fullness: float = 0.0, residual: float = 0.0) -> float:
        """Depth in mm at a landmark (`zy_l`, `pg`, …) for a fullness and a residual, both in standard deviations.

        mean · exp(κ · sd / mean · (loading · fullness + √(1 − loading²) · residual)): lognormal, so never negative.
        """
        name = abbreviation_of(key)
        loading = FULLNESS_LOADING[name]
        score = loading * fullness + np.sqrt(1 - loading**2) * residual
        return float(self.mean[name] * np.exp(KAPPA * self.sd[name] / self.mean[name] * score))

    def spread(self, key: str) -> float:
        """Standard deviation in mm at a landmark when the fullness is known: κ · sd · √(1 − loading²)."""
        name = abbreviation_of(key)
        return float(KAPPA * self.sd[name] * np.sqrt(1 - FULLNESS_LOADING[name] ** 2))

    def points(self) -> tuple[str, ...]:
        """The points that have a depth, 36 in the full table."""
        return tuple(key for name in self.mean for key in BY_ABBREVIATION[name].points())

    def sample(self, rng: np.random.Generator, fullness: float) -> dict[str, float]:
        """One person's depths: fullness shared by all landmarks, residuals shared in part by the two sides."""
        depths = {}
        for name in self.mean:
            shared, keys = rng.standard_normal(), BY_ABBREVIATION[name].points()
            for key in keys:
                own = rng.standard_normal()
                residual = (
                    np.sqrt(LEFT_RIGHT_CORRELATION) * shared + np.sqrt(1 - LEFT_RIGHT_CORRELATION) * own
                    if len(keys) == 2
                    else shared
                )
                depths[key] = self.at(key, fullness, residual)
        return depths


def read_tissue_depths(path: Path) -> TissueDepths:
    """Read a depth table (CSV with columns `hard`, `mean_mm`, `sd_mm`). Raises `InputError` for a file that is not
    one."""
    remedy = "give a CSV with columns hard, mean_mm, sd_mm and the 25 landmarks' abbreviations"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [(row["hard"], float(row["mean_mm"]), float(row["sd_mm"])) for row in csv.DictReader(stream)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except (KeyError, ValueError, TypeError, OSError):
        raise InputError(f"{path}: not a tissue-depth table; {remedy}") from None
    expected = {name for name in BY_ABBREVIATION if name not in FRANKFURT}
    if len({name for name, _, _ in rows}) != len(rows):
        raise InputError(f"{path}: has a landmark twice; {remedy}")
    positive = all(0 < figure < np.inf for _, mean, sd in rows for figure in (mean, sd))
    if {name for name, _, _ in rows} != expected or not positive:
        raise InputError(f"{path}: landmarks missing, unknown or without positive figures; {remedy}")
    return TissueDepths({name: mean for name, mean, _ in rows}, {name: sd for name, _, sd in rows})


def fullness_of_bmi(bmi: float) -> float:
    """Expected fullness for a body-mass index: ρ · (BMI − 25) / 4.5 with ρ = `BMI_CORRELATION`. What is left has the
    variance 1 − ρ²."""
    return BMI_CORRELATION * (bmi - 25.0) / 4.5

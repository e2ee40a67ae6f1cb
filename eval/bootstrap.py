"""Means over subjects and ratios of means, with the interval that other subjects would have left them in.

Subjects are drawn with replacement, and never points of a head, which are not independent (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 13 and 14: percentile intervals). What is compared is measured on the same
subjects, so that each draw takes a subject with all that was measured on it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

_DRAWS = 4_000
_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval over subjects. All NaN where there is no subject, and the interval where there is
    one, which tells nothing of others."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f" ({self.low:.2f} to {self.high:.2f})" if np.isfinite([self.low, self.high]).all() else ""
        return f"{self.value:.2f}{interval}"


def mean_over_subjects(values: Float[np.ndarray, " subjects"]) -> Estimate:
    """Mean; of differences within subjects, the paired difference. Subjects that are not a number are left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return _NOTHING
    return estimate(float(values.mean()), values[draws(len(values))].mean(axis=1), len(values))


def ratio_of_means(above: Float[np.ndarray, " subjects"], below: Float[np.ndarray, " subjects"]) -> Estimate:
    """Mean of one over the mean of the other, paired by subject; subjects without either are left out.

    Not the mean of ratios, in which a subject that is easy for one method would count for many.
    """
    both = np.isfinite(above) & np.isfinite(below)
    above, below = above[both], below[both]
    if not len(above):
        return _NOTHING
    chosen = draws(len(above))
    drawn = above[chosen].mean(axis=1) / below[chosen].mean(axis=1)
    return estimate(float(above.mean() / below.mean()), drawn, len(above))


def draws(subjects: int, count: int = _DRAWS) -> Int[np.ndarray, "draws subjects"]:
    """Rows of subjects drawn with replacement; the same for as many subjects."""
    return np.random.default_rng(0).integers(subjects, size=(count, subjects))


def estimate(value: float, drawn: Float[np.ndarray, " draws"], subjects: int) -> Estimate:
    """A number, with the middle 95 % of what the draws of so many subjects gave for it."""
    if subjects < 2:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [0.5 * (1.0 - _LEVEL), 0.5 * (1.0 + _LEVEL)])
    return Estimate(value, float(low), float(high))


_NOTHING = Estimate(float("nan"), float("nan"), float("nan"))

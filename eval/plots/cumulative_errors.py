"""How much of the face lies within how many millimetres of the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.bootstrap import Estimate, mean_over_subjects
from eval.plots.style import BAND, GREY, colour, plot_page

REACH_MM = 8.0
"""End of the axis."""
MARKED_MM = 2.5
"""The tolerance that is told in numbers: one of `eval.metrics.WITHIN_MM`."""
_STEPS = 80


def cumulative_errors(
    path: Path | str, distances: Mapping[str, Sequence[Float[np.ndarray, " _"]]], warnings: Sequence[str] = ()
) -> None:
    """Write a PNG of a curve for each method, with its 95 % bootstrap interval over subjects.

    Args:
        path: Of the file, which is replaced whole or not at all.
        distances: By method, for each subject the distances (mm, of either sign) from points spread evenly over the
            true face to the prediction.
        warnings: What a reader should know first; they stand on top.

    Raises:
        InputError: The file cannot be written.
    """
    at = np.linspace(0.0, REACH_MM, _STEPS + 1)
    with plot_page(path, 4.2, 6.0, warnings) as figure:
        axes = figure.add_subplot()
        axes.axvline(MARKED_MM, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        marked = {}
        for place, (name, subjects) in enumerate(distances.items()):
            shares = area_within(subjects, at)
            value, low, high = np.array([[each.value, each.low, each.high] for each in shares]).T
            axes.plot(at, value, color=colour(place), zorder=3)
            axes.fill_between(at, low, high, color=colour(place), alpha=BAND, linewidth=0.0)
            marked[name] = (area_within(subjects, [MARKED_MM])[0], colour(place))
        axes.set(xlim=(0.0, REACH_MM), ylim=(0.0, 100.0))
        axes.set(xlabel="distance from the true face to the prediction, mm", ylabel="share of the face's area, %")
        # Curves meet at both ends, so their names stand together, the best on top, with what they reach.
        ordered = sorted(marked.items(), key=lambda item: item[1][0].value)
        lines = [(_told(name, share), of) for name, (share, of) in ordered]
        for row, (text, of) in enumerate([*lines, (f"within {MARKED_MM:g} mm", GREY)]):
            axes.annotate(
                text, (1.0, 0.03 + 0.062 * row), xycoords="axes fraction", ha="right", va="bottom", color=of, zorder=4
            )


def area_within(
    subjects: Sequence[Float[np.ndarray, " _"]], at_mm: Sequence[float] | Float[np.ndarray, " steps"]
) -> list[Estimate]:
    """Percentage of the face's area no farther off than each of `at_mm`, mean over subjects.

    `subjects` are distances (mm, of either sign) at points spread evenly over each true face.
    """
    shares = [
        100.0 * np.searchsorted(np.sort(np.abs(distance)), at_mm, side="right") / len(distance) for distance in subjects
    ]
    return [mean_over_subjects(column) for column in np.array(shares).reshape(len(subjects), -1).T]


def _told(name: str, share: Estimate) -> str:
    interval = f" ({share.low:.0f} to {share.high:.0f})" if np.isfinite(share.low) else ""
    return f"{name}  {share.value:.0f} %{interval}"

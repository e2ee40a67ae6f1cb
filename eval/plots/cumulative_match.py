"""How far down a ranked gallery the right person stands: cumulative match characteristics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from eval.bootstrap import Estimate, mean_over_subjects
from eval.plots.style import BAND, GREY, colour, label_ends, plot_page

LAST_RANK = 50
"""End of the axis."""
_TICKS = (1, 2, 5, 10, 20, 50)


def cumulative_match(
    path: Path | str, ranks: Mapping[str, Int[np.ndarray, " _"]], galleries: Mapping[str, int]
) -> None:
    """Write a PNG of the share of people found up to each rank, with its 95 % bootstrap interval over people.

    A dashed line for each size of gallery shows what chance would find.

    Args:
        path: Of the file, which is replaced whole or not at all.
        ranks: By method, the rank of each right person, from 1.
        galleries: By method, how many people there were to choose from.

    Raises:
        InputError: The file cannot be written.
    """
    upto = np.arange(1, LAST_RANK + 1)
    with plot_page(path, 4.2, 6.6) as figure:
        axes = figure.add_subplot()
        ends, names, colours = [], [], []
        for people in sorted({galleries[name] for name in ranks}):
            chance = 100.0 * np.minimum(upto / people, 1.0)
            axes.plot(upto, chance, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
            ends.append(float(chance[-1]))
            names.append(f"chance, of {people:,}")
            colours.append(GREY)
        for place, (name, found) in enumerate(ranks.items()):
            shares = found_by_rank(found, upto)
            value, low, high = np.array([[each.value, each.low, each.high] for each in shares]).T
            axes.plot(upto, value, color=colour(place), zorder=3)
            axes.fill_between(upto, low, high, color=colour(place), alpha=BAND, linewidth=0.0)
            ends.append(float(value[-1]))
            names.append(f"{name}, of {galleries[name]:,}" if len(set(galleries.values())) > 1 else name)
            colours.append(colour(place))
        axes.set(xscale="log", xlim=(1.0, LAST_RANK), ylim=(0.0, 100.0))
        axes.set_xticks(_TICKS, [f"{tick}" for tick in _TICKS])
        axes.set_xticks([], minor=True)
        axes.set(xlabel="rank", ylabel="people found up to this rank, %")
        label_ends(axes, ends, names, colours)


def found_by_rank(ranks: Int[np.ndarray, " _"], upto: Int[np.ndarray, " steps"]) -> list[Estimate]:
    """Percentage of people whose rank is no later than each of `upto`."""
    return [mean_over_subjects(100.0 * (ranks <= rank)) for rank in upto]

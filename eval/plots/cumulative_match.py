"""How far down a ranked gallery the right person stands: cumulative match characteristics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.plots.style import BAND, GREY, WIDTH_IN, colour, plot_page
from eval.retrieval.study import found_within

LAST_RANK = 50
"""End of the axis."""
_TICKS = (1, 2, 5, 10, 20, 50)


def cumulative_match(path: Path | str, ranks: Mapping[int, Mapping[str, Float[np.ndarray, "probes _"]]]) -> None:
    """Write a PNG of the share of people found up to each rank, with its 95 % bootstrap interval over people.

    A panel for each size of gallery, in which a dashed line shows what chance would find.

    Args:
        path: Of the file, which is replaced whole or not at all.
        ranks: By the gallery's size and by method, the rank of each person (rows, from 1) in each gallery (columns).

    Raises:
        InputError: The file cannot be written.
    """
    upto = np.arange(1, LAST_RANK + 1)
    with plot_page(path, 3.0, max(WIDTH_IN * len(ranks) / 3.0, 4.0)) as figure:
        panels = figure.subplots(1, len(ranks), squeeze=False, sharey=True)[0]
        lines = {}
        for axes, (people, methods) in zip(panels, ranks.items(), strict=True):
            chance = 100.0 * np.minimum(upto / people, 1.0)
            (lines["chance"],) = axes.plot(upto, chance, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
            for place, (name, found) in enumerate(methods.items()):
                shares = [found_within(found, int(rank)) for rank in upto]
                value, low, high = np.array([[each.value, each.low, each.high] for each in shares]).T
                (lines[name],) = axes.plot(upto, value, color=colour(place), zorder=3)
                axes.fill_between(upto, low, high, color=colour(place), alpha=BAND, linewidth=0.0)
            axes.set(xscale="log", xlim=(1.0, LAST_RANK), ylim=(0.0, 100.0))
            axes.set_xticks(_TICKS, [f"{tick}" for tick in _TICKS])
            axes.set_xticks([], minor=True)
            axes.set(title=f"among {people:,}", xlabel="rank")
        panels[0].set_ylabel("people found up to this rank, %")
        figure.legend(
            list(lines.values()),
            list(lines),
            loc="outside upper left",
            ncols=len(lines),
            frameon=False,
            labelcolor="linecolor",
        )

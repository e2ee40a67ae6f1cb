"""How a mean error changes with what happens to the skull, or with what a method is told: a small panel for each."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.bootstrap import Estimate
from eval.plots.style import WIDTH_IN, bars, colour, number, plot_page

_ACROSS = 3
"""Panels in a row, at most."""
_NAMES_PT = 7.5
_LETTERS = 9
"""Of a level's name in one line: no more fit beside each other."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """One thing that is varied."""

    title: str
    x_label: str
    levels: Sequence[float] | Sequence[str]
    """Numbers, drawn to scale and joined by a line, or names."""
    lines: Mapping[str, Sequence[Estimate]]
    """By method, an estimate for each level; one that is not a number is left out."""


def sensitivity_lines(path: Path | str, panels: Sequence[Panel], y_label: str = "mean error, mm") -> None:
    """Write a PNG of panels that share their vertical axis, each with a line for each method and its intervals.

    A method has one colour in all panels. The file is replaced whole or not at all. Raises `InputError` when it cannot
    be written.
    """
    rows = -(-len(panels) // _ACROSS)
    across = -(-len(panels) // rows)
    methods = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    with plot_page(path, 2.6 * rows + 0.5, max(WIDTH_IN * across / _ACROSS, 4.0)) as figure:
        grid = figure.subplots(rows, across, squeeze=False, sharey=True).ravel()
        for empty in grid[len(panels) :]:
            empty.set_axis_off()
        for axes, panel in zip(grid, panels, strict=False):
            numbers = [level for level in panel.levels if not isinstance(level, str)]
            x = np.array(numbers or range(len(panel.levels)), dtype=np.float64)
            step = float(np.diff(np.sort(x)).min()) if len(x) > 1 else 1.0
            for place, (name, estimates) in enumerate(panel.lines.items()):
                # Side by side, so that intervals do not hide each other.
                aside = 0.08 * step * (place - 0.5 * (len(panel.lines) - 1))
                axes.errorbar(
                    x + aside,
                    [each.value for each in estimates],
                    bars(estimates),
                    color=colour(methods.index(name)),
                    marker="o",
                    markersize=4.0,
                    capsize=2.0,
                    elinewidth=1.0,
                    linestyle="-" if numbers else "none",
                )
            axes.set(title=panel.title, xlabel=panel.x_label)
            axes.set_xticks(x, [_label(level) for level in panel.levels], fontsize=None if numbers else _NAMES_PT)
            axes.grid(visible=False, axis="x")
            axes.margins(x=0.08)
        for first in grid[: len(panels) : across]:
            first.set_ylabel(y_label)
        if len(methods) > 1:
            figure.legend(
                [axes.plot([], [], color=colour(place))[0] for place in range(len(methods))],
                methods,
                loc="outside upper left",
                ncols=len(methods),
                frameon=False,
                labelcolor="linecolor",
            )


def _label(level: float | str) -> str:
    return (
        "\n".join(textwrap.wrap(level, _LETTERS, break_long_words=False)) if isinstance(level, str) else number(level)
    )

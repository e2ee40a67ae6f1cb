"""Variants one under the other: what each seed gave, and all seeds together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.bootstrap import Estimate
from eval.plots.style import COLOURS, GREY, INK, bars, plot_page

_OVERALL, _SEEDS = -0.16, (0.06, 0.34)
"""Where a row's marks stand, in rows below its middle."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A variant."""

    name: str
    seeds: Sequence[Estimate]
    """Of each training; may be empty."""
    overall: Estimate


def dots(path: Path | str, rows: Sequence[Row], x_label: str, title: str = "", zero_line: float | None = None) -> None:
    """Write a PNG with a row for each variant, from top to bottom.

    Args:
        path: Of the file, which is replaced whole or not at all.
        rows: Variants.
        x_label: What is measured, with its unit.
        title: Above the axes; none if empty.
        zero_line: Where a line of reference stands, such as 0 for differences; none if None.

    Raises:
        InputError: The file cannot be written.
    """
    with plot_page(path, 0.5 * len(rows) + 1.1) as figure:
        axes = figure.add_subplot()
        if zero_line is not None:
            axes.axvline(zero_line, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        for place, row in enumerate(rows):
            axes.errorbar(
                [row.overall.value],
                [place + _OVERALL],
                xerr=bars([row.overall]),
                fmt="D",
                markersize=5.0,
                elinewidth=1.8,
                capsize=3.0,
                color=INK,
            )
            for below, seed in zip(np.linspace(*_SEEDS, len(row.seeds)), row.seeds, strict=True):
                axes.errorbar(
                    [seed.value],
                    [place + below],
                    xerr=bars([seed]),
                    fmt="o",
                    markersize=3.0,
                    elinewidth=0.8,
                    color=COLOURS[0],
                )
            axes.annotate(
                f"{row.overall}",
                (1.0, place + _OVERALL),
                xycoords=("axes fraction", "data"),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                annotation_clip=False,
            )
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set(ylim=(len(rows) - 0.5, -0.6), xlabel=x_label, title=title)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0.0)

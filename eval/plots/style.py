"""How line plots look: one restrained style, colours that the colour-blind can tell apart, labels beside the lines."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import scipy.optimize
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eval.bootstrap import Estimate
from flame_jax.whole_file import whole_file

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#3B3B3B")
"""Of lines, the first first; Okabe and Ito, Color Universal Design (2008), without the yellow, which white swallows."""
INK, GREY, PALE = "#1C1C1E", "#6E6E72", "#D4D4D8"
BAND = 0.16
"""Opacity of an interval's band."""
WIDTH_IN = 7.0
"""A journal's full width."""
_LETTERS_IN = 13
"""Letters of a warning to the inch."""
_DOTS_PER_INCH = 300
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}


@contextlib.contextmanager
def plot_page(
    path: Path | str, height_in: float, width_in: float = WIDTH_IN, warnings: Sequence[str] = ()
) -> Iterator[Figure]:
    """An empty figure in the style, which is written to `path` when the block is left, whole or not at all.

    `warnings` stand on top of it. Raises `InputError` when the file cannot be written.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        if warnings:
            lines = [line for text in warnings for line in textwrap.wrap(text, int(_LETTERS_IN * width_in))]
            figure.suptitle("\n".join(lines), fontsize=8.5, color=COLOURS[1])
        yield figure
        with whole_file(path) as unfinished:
            figure.savefig(unfinished, dpi=_DOTS_PER_INCH)


def colour(place: int) -> str:
    """Of the line at a place; from the start again after the last."""
    return COLOURS[place % len(COLOURS)]


def bars(estimates: Sequence[Estimate]) -> Float[np.ndarray, "2 estimates"]:
    """What intervals reach below and above their values, as `Axes.errorbar` takes it; NaN where there is none."""
    return np.array(
        [[each.value - each.low for each in estimates], [each.high - each.value for each in estimates]],
        dtype=np.float64,
    )


def label_ends(
    axes: Axes, heights: Sequence[float], names: Sequence[str], colours: Sequence[str], size: float = 8.5
) -> None:
    """Names of lines to the right of the axes, at the heights where the lines end, or apart where they would overlap.

    Call it when the limits of the axes are settled; lines that end nowhere (NaN) get no name.
    """
    ends = [place for place in np.argsort(heights, kind="stable") if np.isfinite(heights[place])]
    figure, cell = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None
    # How much of the y axis a line of text takes; the layout, not settled yet, gives axes about 8/10 of a row.
    height_in = 0.8 * figure.get_figheight() / (1 if cell is None else cell.get_gridspec().nrows)
    low, high = axes.get_ylim()
    gap = 1.25 * size / 72.0 / height_in * (high - low)
    for place, height in zip(ends, apart(np.array([heights[place] for place in ends]), gap, high), strict=True):
        axes.annotate(
            names[place],
            (axes.get_xlim()[1], height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=colours[place],
            fontsize=size,
            annotation_clip=False,
        )


def apart(heights: Float[np.ndarray, " labels"], gap: float, top: float) -> Float[np.ndarray, " labels"]:
    """Ascending heights moved as little as possible (least squares) so that each is `gap` above the one before, and
    none above `top`."""
    if not len(heights):
        return heights
    steps = gap * np.arange(len(heights))
    return np.minimum(scipy.optimize.isotonic_regression(heights - steps).x, top - steps[-1]) + steps


def number(value: float) -> str:
    """As labels show it."""
    return f"{value:g}".replace("-", "−")

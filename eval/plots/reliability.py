"""Whether intervals hold as much of the face as they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.face_errors import FACE
from eval.face_uncertainty import LEVELS, Calibration
from eval.plots.style import GREY, INK, bars, colour, label_ends, plot_page

_ACROSS = 2
"""Panels in a row, at most."""
_LOW, _HIGH = 30.0, 100.0


def reliability(path: Path | str, calibrations: Mapping[str, Calibration], warnings: Sequence[str] = ()) -> None:
    """Write a PNG of nominal against observed coverage, a panel for each method: the whole face with its 95 % bootstrap
    intervals over subjects, each part of it as a thin line.

    Above the diagonal intervals are wider than they need be, under it too narrow. `warnings` stand on top. The file is
    replaced whole or not at all. Raises `InputError` when it cannot be written.
    """
    across = min(_ACROSS, len(calibrations))
    rows = -(-len(calibrations) // across)
    nominal = 100.0 * np.array(LEVELS)
    with plot_page(path, 3.9 * rows, 4.6 * across, warnings) as figure:
        grid = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True).ravel()
        for empty in grid[len(calibrations) :]:
            empty.set_axis_off()
        for axes, (method, calibration) in zip(grid, calibrations.items(), strict=False):
            axes.plot([0.0, 100.0], [0.0, 100.0], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
            ends, names, colours = [], [], []
            parts = [name for name in calibration.regions if name != FACE]
            for name in [*parts, FACE]:
                coverage = [calibration.regions[name].coverage[level] for level in LEVELS]
                observed = np.array([100.0 * each.value for each in coverage])
                if name == FACE:
                    of = INK
                    reach = 100.0 * bars(coverage)
                    axes.errorbar(
                        nominal,
                        observed,
                        reach,
                        color=of,
                        linewidth=2.4,
                        elinewidth=1.2,
                        capsize=3.0,
                        marker="o",
                        zorder=4,
                    )
                else:
                    of = colour(parts.index(name))
                    axes.plot(nominal, observed, color=of, linewidth=1.0)
                ends.append(float(observed[-1]))
                names.append("whole face" if name == FACE else name)
                colours.append(of)
            axes.set(xlim=(45.0, 97.0), ylim=(min(_LOW, *ends), _HIGH), xticks=nominal)
            axes.set_title(f"{method}, subjects: {calibration.subjects}")
            label_ends(axes, ends, names, colours)
        figure.supxlabel("nominal coverage of the interval, %", fontsize=9.0)
        figure.supylabel("observed share of the face's area, %", fontsize=9.0)

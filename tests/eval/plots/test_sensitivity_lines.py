"""Panels show what they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eval.bootstrap import Estimate
from eval.plots.sensitivity_lines import Panel, sensitivity_lines

_NOTHING = Estimate(*[float("nan")] * 3)
ROUGH = Panel(
    "roughness",
    "mm",
    [0.0, 1.0, 4.0],
    {"field": [Estimate(2.0, 1.9, 2.2), Estimate(2.5, 2.1, 2.6), _NOTHING], "mean": [Estimate(4.0, 3.0, 5.0)] * 3},
)
JAW = Panel("jaw", "", ["there", "lost"], {"mean": [Estimate(4.0, 3.0, 5.0)] * 2})


def test_levels_are_drawn_to_scale_or_named(tmp_path: Path, figures: list[Figure]) -> None:
    sensitivity_lines(tmp_path / "lines.png", [ROUGH, JAW])
    rough, jaw = figures[0].axes
    assert (rough.get_title(loc="left"), rough.get_xlabel(), rough.get_ylabel()) == (
        "roughness",
        "mm",
        "mean error, mm",
    )
    assert [label.get_text() for label in jaw.get_xticklabels()] == ["there", "lost"]
    assert [label.get_text() for label in rough.get_xticklabels()] == ["0", "1", "4"]
    field, mean = (_points(container) for container in rough.containers)
    np.testing.assert_allclose(field[:, 0], [0.0, 1.0, 4.0], atol=0.1)
    np.testing.assert_allclose(field[:, 1], [2.0, 2.5, np.nan])
    np.testing.assert_allclose(mean[:, 1], 4.0)


def test_a_method_keeps_its_colour(tmp_path: Path, figures: list[Figure]) -> None:
    sensitivity_lines(tmp_path / "lines.png", [ROUGH, JAW])
    rough, jaw = figures[0].axes
    colours = [[_line(container).get_color() for container in axes.containers] for axes in (rough, jaw)]
    assert colours[0][0] != colours[0][1] == colours[1][0]
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["field", "mean"]


@pytest.mark.parametrize(("panels", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_panels_fill_a_grid(panels: int, shape: tuple[int, int], tmp_path: Path, figures: list[Figure]) -> None:
    sensitivity_lines(tmp_path / "lines.png", [JAW] * panels)
    cell = figures[0].axes[0].get_subplotspec()
    assert cell is not None
    assert (cell.get_gridspec().nrows, cell.get_gridspec().ncols) == shape
    assert sum(axes.axison for axes in figures[0].axes) == panels


def _line(container: object) -> Line2D:
    assert isinstance(container, ErrorbarContainer)
    line = container.lines[0]
    assert line is not None
    return line


def _points(container: object) -> np.ndarray:
    return np.asarray(_line(container).get_xydata(), dtype=np.float64)

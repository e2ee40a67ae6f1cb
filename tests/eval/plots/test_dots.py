"""A row for each variant, with its seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eval.bootstrap import Estimate
from eval.plots.dots import Row, dots


def test_rows_stand_in_order_with_seeds_and_what_they_give_together(tmp_path: Path, figures: list[Figure]) -> None:
    seeds = [Estimate(2.0, 1.8, 2.2), Estimate(2.4, 2.1, 2.7)]
    rows = [Row("plain", seeds, Estimate(2.2, 2.0, 2.4)), Row("untrained", [], Estimate(4.0, 3.0, 5.0))]
    dots(tmp_path / "dots.png", rows, "mean error, mm", "Made", zero_line=2.2)
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["plain", "untrained"]
    assert axes.yaxis.get_inverted()
    marks = [container.lines[0].get_xydata()[0] for container in axes.containers]  # type: ignore[attr-defined]
    np.testing.assert_allclose([x for x, _ in marks], [2.2, 2.0, 2.4, 4.0])
    np.testing.assert_array_equal([round(y) for _, y in marks], [0, 0, 0, 1])
    assert [text.get_text() for text in axes.texts] == ["2.20 (2.00 to 2.40)", "4.00 (3.00 to 5.00)"]
    assert (np.asarray(axes.get_lines()[0].get_xdata()) == 2.2).all()

"""Ranks of known people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eval.plots.cumulative_match import LAST_RANK, cumulative_match


def test_a_panel_for_each_size_of_gallery(tmp_path: Path, figures: list[Figure]) -> None:
    # The first person is found at once in half of the small galleries.
    small = {"one": np.array([[1.0, 60.0], [2.0, 2.0], [60.0, 70.0]]), "other": np.array([[4.0, 4.0]] * 3)}
    large = {"one": np.array([[1.0], [2.0], [600.0]]), "other": np.array([[40.0], [50.0], [60.0]])}
    cumulative_match(tmp_path / "match.png", {100: small, 1_000: large})
    panels = figures[0].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["among 100", "among 1,000"]
    drawn = [[np.asarray(line.get_ydata(), float) for line in axes.get_lines()] for axes in panels]
    np.testing.assert_allclose([line[-1] for line in drawn[0]], [LAST_RANK, 50.0, 100.0])
    np.testing.assert_allclose([line[-1] for line in drawn[1]], [0.1 * LAST_RANK, 200.0 / 3.0, 200.0 / 3.0])
    np.testing.assert_allclose(drawn[0][1][:2], [100.0 / 6.0, 50.0])
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ["chance", "one", "other"]

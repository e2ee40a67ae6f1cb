"""Ranks of known people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eval.plots.cumulative_match import LAST_RANK, cumulative_match, found_by_rank


def test_people_are_found_at_their_rank_and_from_then_on() -> None:
    found = found_by_rank(np.array([1, 1, 3, 9]), np.array([1, 2, 3, 10]))
    assert [each.value for each in found] == [50.0, 50.0, 75.0, 100.0]


def test_chance_is_drawn_for_each_size_of_gallery(tmp_path: Path, figures: list[Figure]) -> None:
    ranks = {"one": np.array([1, 2, 60]), "other": np.array([4, 5, 6]), "third": np.array([1, 1, 1])}
    cumulative_match(tmp_path / "match.png", ranks, {"one": 100, "other": 1000, "third": 100})
    (axes,) = figures[0].axes
    last = [float(np.asarray(line.get_ydata())[-1]) for line in axes.get_lines()]
    np.testing.assert_allclose(last, [LAST_RANK, 0.1 * LAST_RANK, 200.0 / 3.0, 100.0, 100.0])
    assert {text.get_text() for text in axes.texts} == {
        "chance, of 100",
        "chance, of 1,000",
        "one, of 100",
        "other, of 1,000",
        "third, of 100",
    }

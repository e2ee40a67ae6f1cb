"""Curves of known distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from eval.metrics import PointErrors, summarise
from eval.plots.cumulative_errors import area_within, cumulative_errors


def test_area_is_that_of_the_statistics() -> None:
    rng = np.random.default_rng(0)
    subjects = [rng.normal(0.0, sd, 500) for sd in (1.0, 2.0, 4.0)]
    found = area_within(subjects, [2.0, 2.5, 5.0])
    told = [summarise(PointErrors(np.zeros((500, 3)), each, np.ones(500))) for each in subjects]
    assert found[0].value == pytest.approx(np.mean([each.within_2_mm_percent for each in told]))
    assert found[1].value == pytest.approx(np.mean([each.within_2_5_mm_percent for each in told]))
    assert found[2].value == pytest.approx(np.mean([each.within_5_mm_percent for each in told]))
    assert found[1].low < found[1].value < found[1].high


def test_a_point_as_far_as_the_tolerance_is_within() -> None:
    assert [each.value for each in area_within([np.array([-2.5, 3.0])], [2.4, 2.5, 3.0])] == [0.0, 50.0, 100.0]


def test_the_curve_is_drawn_and_the_marked_share_told(tmp_path: Path, figures: list[Figure]) -> None:
    path = tmp_path / "cumulative.png"
    even = [np.linspace(0.0, 5.0, 1001)] * 3
    far = [np.full(100, 6.0)]
    cumulative_errors(path, {"even": even, "far": far})
    with Image.open(path) as image:
        assert image.format == "PNG"
    (axes,) = figures[0].axes
    marked, first, second = axes.get_lines()
    np.testing.assert_allclose(np.asarray(marked.get_xdata(), dtype=float), 2.5)
    at, share = np.asarray(first.get_xdata()), np.asarray(first.get_ydata())
    np.testing.assert_allclose(share, np.minimum(20.0 * at, 100.0), atol=0.2)
    assert set(np.asarray(second.get_ydata())) == {0.0, 100.0}
    # One subject has no interval.
    assert [text.get_text() for text in axes.texts] == ["far  0 %", "even  50 % (50 to 50)", "within 2.5 mm"]
    assert [text.get_color() for text in axes.texts[:2]] == [second.get_color(), first.get_color()]

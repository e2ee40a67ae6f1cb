"""Coverage is drawn as it was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from eval.face_errors import FACE
from eval.face_uncertainty import LEVELS, NormalErrors, calibrate
from eval.plots.reliability import reliability


def test_coverage_of_the_face_and_its_parts_is_drawn(tmp_path: Path, figures: list[Figure]) -> None:
    rng = np.random.default_rng(0)
    half = np.arange(200) < 100
    heads = [
        NormalErrors(rng.normal(size=200) * np.where(half, 1.0, 2.0), np.full(200, 1.5), {"calm": half, "wild": ~half})
        for _ in range(8)
    ]
    calibration = calibrate(heads)
    reliability(tmp_path / "reliability.png", {"one": calibration, "other": calibration})
    assert [entry.name for entry in tmp_path.iterdir()] == ["reliability.png"]
    shown = [axes for axes in figures[0].axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == ["one, subjects: 8", "other, subjects: 8"]
    for axes in shown:
        curves = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) == len(LEVELS)]
        for name, expected in calibration.regions.items():
            values = [100.0 * expected.coverage[level].value for level in LEVELS]
            drawn = [line for line in curves if np.allclose(np.asarray(line.get_ydata(), dtype=float), values)]
            assert drawn, name
            np.testing.assert_allclose(np.asarray(drawn[0].get_xdata(), dtype=float), 100.0 * np.array(LEVELS))
            label = next(text for text in axes.texts if text.get_text() == ("whole face" if name == FACE else name))
            assert label.get_color() == drawn[0].get_color()


def test_one_subject_has_no_interval(tmp_path: Path, figures: list[Figure]) -> None:
    head = NormalErrors(np.linspace(-2.0, 2.0, 101), np.ones(101), {})
    reliability(tmp_path / "reliability.png", {"one": calibrate([head])}, ["not many"])
    (axes,) = figures[0].axes
    assert axes.get_title(loc="left") == "one, subjects: 1"
    assert figures[0].get_suptitle() == "not many"

"""Labels that do not overlap, and files that appear whole."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from eval.bootstrap import Estimate
from eval.plots.style import apart, bars, number, plot_page
from flame_jax.errors import InputError


def test_labels_move_as_little_as_they_must() -> None:
    np.testing.assert_allclose(apart(np.array([1.0, 5.0]), 2.0, 10.0), [1.0, 5.0])
    np.testing.assert_allclose(apart(np.array([4.0, 4.0, 9.0]), 2.0, 10.0), [3.0, 5.0, 9.0])
    np.testing.assert_allclose(apart(np.array([9.5, 10.0]), 2.0, 10.0), [8.0, 10.0])
    assert len(apart(np.zeros(0), 2.0, 10.0)) == 0


def test_crowded_labels_keep_their_order_and_distance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        heights = np.sort(rng.uniform(0.0, 30.0, 9))
        moved = apart(heights, 5.0, 40.0)
        assert (np.diff(moved) >= 5.0 - 1e-9).all()
        assert moved[-1] <= 40.0


def test_bars_reach_from_the_value_to_the_interval() -> None:
    nothing = float("nan")
    reach = bars([Estimate(2.0, 1.5, 3.0), Estimate(2.0, nothing, nothing)])
    np.testing.assert_allclose(reach, [[0.5, nothing], [1.0, nothing]])


def test_a_negative_number_has_a_minus() -> None:
    assert [number(value) for value in (-2.0, 0.5)] == ["−2", "0.5"]


def test_a_failure_leaves_no_file_and_no_style(tmp_path: Path) -> None:
    size = matplotlib.rcParams["font.size"]
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), plot_page(path, 2.0):
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert matplotlib.rcParams["font.size"] == size
    with pytest.raises(InputError, match="is a folder"), plot_page(tmp_path, 2.0):
        pass

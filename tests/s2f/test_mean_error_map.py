"""The error map shows both means, each with a scale of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.mean_errors import MeanErrors
from s2f import picture
from s2f.mean_error_map import mean_error_map
from s2f.picture import DISCLAIMER
from tests.data_made import sphere


@pytest.fixture(autouse=True)
def small_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures a third as wide, since nothing here depends on the width."""
    monkeypatch.setattr(picture, "PAGE_WIDTH", 700)


def test_size_and_sign_are_drawn_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    ball = sphere(80.0, subdivisions=4)
    scored = ball.vertices[:, 2] > 0.0
    distance = np.where(scored, 2.0, np.nan)
    mean_error_map(path, MeanErrors(ball, distance, distance, 3), caption="Made.", credit="of the tests")
    with Image.open(path) as image:
        assert (image.info["Copyright"], image.info["Disclaimer"]) == ("of the tests", DISCLAIMER)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # A quarter of the page to each picture; its middle is the ball's. In the signed half 2 mm outside are all red.
    across = [pixels[picture.MARGIN + picture.HEADER + 65, round(700 * share)] for share in (0.2, 0.62)]
    assert across[1][0] - across[1][2] > 100
    assert across[0][0] < 110
    assert list(tmp_path.iterdir()) == [path]

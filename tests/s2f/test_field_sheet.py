"""The sheet of test cases is drawn, whole, with its texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from eval.field.scores import Prediction
from s2f.field_sheet import field_sheet
from s2f.picture import DISCLAIMER, PAGE_WIDTH
from tests.held_out_made import held_out_case
from tests.skulls_made import shipped_prior


def test_a_sheet_shows_cases_and_their_errors(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    prediction = Prediction(shipped_prior().head_mesh())
    cases = [(held_out_case(0, "holes"), prediction), (held_out_case(1), prediction), (held_out_case(0), prediction)]
    field_sheet(path, cases, caption="Made cases.", credit="of the tests")
    with Image.open(path) as image:
        assert image.width == PAGE_WIDTH
        assert image.info["Copyright"] == "of the tests"
        assert image.info["Disclaimer"] == DISCLAIMER
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # Errors are drawn in colour: red and blue, which neither bone, clay nor truth is.
    saturated = (pixels.max(axis=2) - pixels.min(axis=2)) > 90
    assert saturated.any()
    assert list(tmp_path.iterdir()) == [path]

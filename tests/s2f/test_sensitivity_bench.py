"""`s2f bench sensitivity` on made cases, for a field of random weights: table, numbers and figure are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import data.shipped
import eval.held_out.cases
import eval.regression.training_people
import eval.sensitivity.study
from eval.sensitivity.levels import LEVELS, MISSING, PLACING
from fields.face_model_file import write_face_model
from s2f.field_file import read_field
from s2f.sensitivity_bench import INVERSION, OUTPUTS, SensitivityBench, run_sensitivity_bench
from tests.eval.regression.test_linear_reference import people
from tests.fields_made import tiny_model
from tests.held_out_made import held_out_case, refused_case


def test_table_numbers_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.shipped, "PRIOR_ICT", data.shipped.PRIOR)
    monkeypatch.setattr(data.shipped, "JAW_OPEN_ICT", data.shipped.JAW_OPEN)
    for module in (eval.held_out.cases, eval.sensitivity.study):
        monkeypatch.setattr(module, "make_held_out", lambda *_, **__: [held_out_case(0), refused_case(1)])
    monkeypatch.setattr(eval.regression.training_people, "training_people", lambda *_: people())
    levels = tuple(level for level in LEVELS if level.kind in (MISSING, PLACING))
    monkeypatch.setattr(eval.sensitivity.levels, "LEVELS", levels)
    write_face_model(tmp_path / "field.npz", tiny_model(), {"credit": "of the tests"})
    field = read_field(tmp_path / "field.npz")
    bench = SensitivityBench(field, "parametric", (), 2, 10, tmp_path / "kept")
    text = run_sensitivity_bench(bench, tmp_path / "out", lambda text: None)
    assert (tmp_path / "out" / OUTPUTS[0]).read_text(encoding="utf-8") == text
    assert INVERSION in text
    found = json.loads((tmp_path / "out" / OUTPUTS[1]).read_text(encoding="utf-8"))
    assert found["sha256"] == field.sha256
    assert len(found["levels"]) == len(levels)
    for level in found["levels"]:
        known, refused = level["mean_mm"]["parametric field"]
        assert 0.1 < known < 40.0
        assert refused is None
        assert level["refused"] == [1]
    # Two regressions learned from the same people here.
    first, second = found["floors_mean_mm"].values()
    assert first == second
    assert (tmp_path / "out" / OUTPUTS[2]).stat().st_size > 10_000

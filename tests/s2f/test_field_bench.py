"""`s2f bench field` on two made cases: tables, numbers and the sheet are written, for a field of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import eval.held_out.cases
import eval.regression.training_people
from fields.face_model_file import write_face_model
from flame_jax.errors import InputError
from s2f.field_bench import FieldBench, check_representations, run_field_bench
from s2f.field_file import read_field
from tests.eval.regression.test_linear_reference import people
from tests.fields_made import tiny_model
from tests.held_out_made import held_out_case, refused_case


def test_unknown_representations_are_told() -> None:
    with pytest.raises(InputError, match="voxels is no representation; give one or more of hybrid"):
        check_representations(("hybrid", "voxels"))
    with pytest.raises(InputError, match="nothing to measure"):
        check_representations(())


def test_tables_numbers_and_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = iter([[held_out_case(0)], [refused_case(1)]])
    monkeypatch.setattr(eval.held_out.cases, "make_held_out", lambda *args, **options: next(sets))
    monkeypatch.setattr(eval.regression.training_people, "training_people", lambda *args: people())
    write_face_model(tmp_path / "field.npz", tiny_model(), {"credit": "of the tests"})
    bench = FieldBench(
        read_field(tmp_path / "field.npz"), ("parametric",), 1, 10, ("classic", "nearest"), tmp_path / "kept"
    )
    text = run_field_bench(bench, tmp_path / "out", lambda text: None)
    assert "Goals for parametric field" in text
    assert text.count("| nearest | 1 |") == 1
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8") == text + "\n"
    study = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))
    assert study["sha256"] == bench.field.sha256
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 10_000

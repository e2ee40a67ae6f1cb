"""`s2f bench retrieval` on a made case and a made gallery: tables, numbers and curves are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import data.shipped
import eval.held_out.cases
import eval.regression.training_people
import eval.retrieval.gallery
from fields.face_model_file import write_face_model
from flame_jax.errors import InputError
from s2f.field_file import read_field
from s2f.retrieval_bench import OUTPUTS, RetrievalBench, check_sizes, run_retrieval_bench
from tests.eval.regression.test_linear_reference import people
from tests.fields_made import tiny_model
from tests.gallery_made import made_gallery
from tests.held_out_made import held_out_case, refused_case


def test_a_gallery_of_nobody_else_is_told() -> None:
    with pytest.raises(InputError, match="--sizes 100 1: give one or more, each at least 2"):
        check_sizes((100, 1))
    with pytest.raises(InputError, match="give one or more"):
        check_sizes(())


def test_tables_numbers_and_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.shipped, "PRIOR_ICT", data.shipped.PRIOR)
    monkeypatch.setattr(data.shipped, "JAW_OPEN_ICT", data.shipped.JAW_OPEN)
    monkeypatch.setattr(eval.held_out.cases, "make_held_out", lambda *_, **__: [held_out_case(0), refused_case(1)])
    monkeypatch.setattr(eval.retrieval.gallery, "make_gallery", lambda *_: made_gallery())
    monkeypatch.setattr(eval.regression.training_people, "training_people", lambda *_: people())
    write_face_model(tmp_path / "field.npz", tiny_model(), {"credit": "of the tests"})
    field = read_field(tmp_path / "field.npz")
    bench = RetrievalBench(field, "parametric", ("mean-head",), 2, (5, 21), 10, tmp_path / "kept")
    text = run_retrieval_bench(bench, tmp_path / "out", lambda text: None)
    assert (tmp_path / "out" / OUTPUTS[0]).read_text(encoding="utf-8") == text
    assert "Among 21 faces" in text
    found = json.loads((tmp_path / "out" / OUTPUTS[1]).read_text(encoding="utf-8"))
    assert found["sha256"] == field.sha256
    assert set(found["mean_ranks"]) == {"parametric field", "mean-head", "linear reference"}
    for by_measure in found["mean_ranks"].values():
        for ranks in by_measure.values():
            assert 1.0 <= ranks["21"][0] <= 21.0
    # The refused skull has no field; the linear reference asks nobody.
    assert found["mean_ranks"]["parametric field"]["coefficients"]["21"][1] is None
    assert found["mean_ranks"]["linear reference"]["coefficients"]["21"][1] >= 1.0
    assert (tmp_path / "out" / OUTPUTS[2]).stat().st_size > 10_000

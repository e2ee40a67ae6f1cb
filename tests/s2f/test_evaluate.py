"""`s2f evaluate`: a field and the same faces as somebody's predictions score alike; options, files and warnings."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eval.aligned_method
from data.pairs.folders import find_pairs
from eval.aligned_method import AlignedMethod
from eval.subject import read_pair
from flame_jax.errors import InputError
from s2f.commands.evaluate import Evaluate
from s2f.evaluate import ALIGNED, Scored, run_evaluation, submission_to_score
from s2f.field_face import FieldFaces
from s2f.field_method import FieldMethod
from tests.evaluation_made import mean_case, swollen, write_submission, write_told_pair
from tests.fields_made import tiny_model
from tests.skulls_made import alignment, case, pose, shipped_prior


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for seed, name in enumerate(("ann", "bob")):
        write_told_pair(tmp_path / "pairs" / name, mean_case(), pose(seed))
    return tmp_path / "pairs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either --pairs"),
        ({"pairs": "p", "volume": "v"}, "either --pairs"),
        ({"pairs": "p", "mask": "m"}, "--mask goes with --volume"),
        ({"pairs": "p", "series": "1.2"}, "--series goes with --volume"),
        ({"volume": "v", "limit": 3}, "--limit goes with --pairs"),
        ({"pairs": "p", "predictions": "q", "checkpoint": "c"}, "--checkpoint goes with a field"),
        ({"pairs": "p", "predictions": "q", "representation": "hybrid"}, "--representation goes with"),
        ({"pairs": "p", "predictions": "q", "samples": 4}, "--samples goes with"),
        ({"pairs": "p", "predictions": "q", "told": True}, "--told goes with"),
        ({"pairs": "p", "predictions": "q", "baseline": "ridge"}, "--predictions and --baseline"),
        ({"pairs": "p", "baseline": "ridge", "samples": 4}, "--samples goes with a field"),
        ({"pairs": "p", "samples": 1}, "one has no spread"),
        ({"pairs": "p", "limit": 0}, "--limit 0"),
        ({"pairs": "p"}, "no such folder"),
        ({"volume": "v.nii.gz"}, "no such file"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    files = ("pairs", "volume", "mask", "predictions", "checkpoint")
    placed = {name: tmp_path / value if name in files else value for name, value in options.items()}
    with pytest.raises(InputError, match=message):
        Evaluate(out=tmp_path / "out", **placed).run()
    assert not (tmp_path / "out").exists()


def test_predictions_of_anybody(tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face = swollen(mean_case().head, 3.0).transformed(pose(1))
    folder = write_submission(
        tmp_path / "theirs", {"bob": face, "carl": face}, method="three too many", seconds={"bob": 9}
    )
    out = tmp_path / "out"
    command = Evaluate(out=out, pairs=pairs, predictions=folder, no_figures=True)
    assert command.run() == 0
    text = (out / "table.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert "# three too many: 1 of 2 subjects scored" in text
    assert "has no mesh for case ann" in text
    assert "files that belong to no case: carl.ply" in text
    record = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    score = record["scores"]["bob"]
    assert score["true_to_predicted"]["face"]["signed_mean_mm"] == pytest.approx(3.0, abs=0.2)
    assert score["seconds"] == 9.0
    assert record["about"]["settings"]["pairs"] == str(pairs)
    assert len(record["about"]["predictions_sha256"]) == 64
    assert "jax" in record["versions"]
    with pytest.raises(InputError, match="exists already"):
        command.run()
    assert dataclasses.replace(command, overwrite=True, limit=2).run() == 0


def test_faces_that_were_aligned_to_the_truth_are_told_on_every_output(tmp_path: Path, pairs: Path) -> None:
    meshes = {"ann": mean_case().head.transformed(pose(0))}
    folder = write_submission(tmp_path / "theirs", meshes, aligned_to_truth=True)
    Evaluate(out=tmp_path / "out", pairs=pairs, predictions=folder).run()
    assert (tmp_path / "out" / "error_map.png").stat().st_size > 10_000
    for name in ("table.md", "subjects.csv", "evaluation.json"):
        assert ALIGNED in (tmp_path / "out" / name).read_text(encoding="utf-8"), name


def test_baselines_have_names(tmp_path: Path, pairs: Path) -> None:
    with pytest.raises(InputError, match="voxels is no baseline; there are mean-head"):
        Evaluate(out=tmp_path / "out", pairs=pairs, baseline="voxels").run()


def test_a_field_and_its_faces_as_a_submission_score_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    T_input_head = pose(8)
    write_told_pair(tmp_path / "pairs" / "ann", case(0), T_input_head, fullness=0.5)
    found = dataclasses.replace(alignment(0), T_head_skull=alignment(0).T_head_skull @ np.linalg.inv(T_input_head))
    monkeypatch.setattr(eval.aligned_method, "align_skull", lambda *args, **options: found)
    prior = shipped_prior()
    field = AlignedMethod(FieldMethod(FieldFaces(tiny_model(), 500), "parametric"), prior, told=True)
    pair = find_pairs(tmp_path / "pairs")[0]
    subject = read_pair(pair, prior)
    made = field(subject).prediction
    folder = write_submission(tmp_path / "ours", {"ann": made.mesh.transformed(np.linalg.inv(subject.T_head_input))})
    assert made.sd_mm is not None
    np.save(folder / "ann_sd.npy", made.sd_mm)
    subjects = [("ann", functools.partial(read_pair, pair, prior))]
    scores = {}
    for name, scored in (
        ("field", Scored("the field", field, True, (), {})),
        ("meshes", submission_to_score(folder, ["ann"])),
    ):
        run_evaluation(scored, subjects, tmp_path / name, about={})
        scores[name] = json.loads((tmp_path / name / "evaluation.json").read_text(encoding="utf-8"))["scores"]["ann"]
    face = {name: score["true_to_predicted"]["face"] for name, score in scores.items()}
    assert face["meshes"] == pytest.approx(face["field"], abs=0.02)
    assert scores["meshes"]["uncertainty"]["face"] == pytest.approx(scores["field"]["uncertainty"]["face"], abs=0.1)
    assert scores["meshes"]["depth_error_mm"] == pytest.approx(scores["field"]["depth_error_mm"], abs=0.01)
    # The aligner is right to about a millimetre, so that a face far off would not have been carried to its place.
    assert face["field"]["mean_mm"] < 8.0
    rows = list(csv.DictReader((tmp_path / "field" / "subjects.csv").read_text(encoding="utf-8").splitlines()))
    assert float(rows[0]["mean_mm"]) == face["field"]["mean_mm"]

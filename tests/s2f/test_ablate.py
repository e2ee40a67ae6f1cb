"""`s2f ablate` with tiny networks on one made person: what was trained is not trained again, and a table comes out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import eval.held_out.cases
import train.loop
import train.make_face_task
from configs import ablations
from s2f.ablation import FIGURES, STUDY, TABLE, Ablation, run_ablation
from s2f.ablation_training import Tasks
from s2f.cli import BAD_INPUT, main
from tests.face_training_made import debug_experiment, debug_task
from tests.held_out_made import held_out_case, refused_case
from train.ablation import Suite, Variant


@pytest.fixture(autouse=True)
def _made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The debug experiment's own task, and cases that are made at once."""
    monkeypatch.setattr(train.make_face_task, "make_face_task", lambda *args, **options: debug_task())

    def cases(held_out: eval.held_out.cases.HeldOutSet, *args: object, **options: object) -> list[object]:
        return [held_out_case(0)] if held_out.severities == eval.held_out.cases.UNDAMAGED else [refused_case(0)]

    monkeypatch.setattr(eval.held_out.cases, "make_held_out", cases)


def variant(name: str, **changes: object) -> Variant:
    base = debug_experiment()
    training = dataclasses.replace(base.training, steps=2, warmup=0, validate_every=2)
    field = dataclasses.replace(base.field, **changes)  # type: ignore[arg-type]
    return Variant(name, dataclasses.replace(base, training=training, field=field), ("parametric",))


def ablation(tmp_path: Path, *variants: Variant) -> Ablation:
    return Ablation("tiny", Suite("which?", variants), 1, 1, tmp_path / "out", tmp_path / "kept")


def test_what_is_trained_is_kept_and_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ablation(tmp_path, variant("β only", residual=False), variant("β, another name", residual=False))
    assert run_ablation(wanted, print, stop=lambda: True) is None
    assert not (wanted.results / TABLE).exists()

    text = run_ablation(wanted, print)
    assert text is not None
    assert (wanted.results / TABLE).read_text(encoding="utf-8") == text
    assert all((wanted.results / name).stat().st_size > 5_000 for name in FIGURES)
    study = json.loads((wanted.results / STUDY).read_text(encoding="utf-8"))
    assert [row["variant"] for row in study["rows"]] == [
        "β only",
        "β, another name",
        "mean head of the prior",
        "classic fit",
    ]
    first, second = (row["cases_mean_mm"] for row in study["rows"][:2])
    assert first == second
    assert 0.1 < first["undamaged"][0][0] < 10.0
    assert first["damaged"] == [[None]]

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(train.loop, "train", fail)
    assert run_ablation(wanted, print) == text


def test_variants_with_one_cohort_share_what_is_made_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(*args: object, **options: object) -> object:
        made.append(args)
        return debug_task()

    monkeypatch.setattr(train.make_face_task, "make_face_task", make)
    tasks = Tasks(print)
    whole, bare = variant("whole").experiment, variant("bare", residual=False).experiment
    both = [tasks.of(experiment, tmp_path, {"run": "of the tests"}) for experiment in (whole, bare)]
    assert [task.config.residual for task in both] == [True, False]
    assert both[0].constants is both[1].constants
    assert both[1].about["run"] == "of the tests"
    assert both[1].out == tmp_path
    assert len(made) == 1
    tasks.of(dataclasses.replace(whole, data=dataclasses.replace(whole.data, heads=32)), tmp_path, {})
    assert len(made) == 2


@pytest.mark.parametrize("suites", [ablations.SUITES, ablations.QUICK_SUITES])
def test_suites_train_different_things(suites: dict[str, Suite]) -> None:
    for name, suite in suites.items():
        digests = {variant.with_seed(seed).digest for variant in suite.variants for seed in range(2)}
        assert len(digests) == 2 * len(suite.variants), name
        assert suite.variants[-1].experiment == suites["representation"].variants[-1].experiment, name
        training = {variant.experiment.training for variant in suite.variants}
        assert len(training) == 1, name


def test_counts_that_make_no_sense_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--seeds", "0"]) == BAD_INPUT
    assert "--seeds is 0; give 1 or more" in capsys.readouterr().err


def test_a_table_that_is_there_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "representation-quick" / TABLE
    table.parent.mkdir()
    table.write_text("mine")
    assert main(["ablate", "--quick", "--out", str(tmp_path)]) == BAD_INPUT
    assert str(table) in capsys.readouterr().err
    assert table.read_text() == "mine"

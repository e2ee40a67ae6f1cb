"""`s2f train`, with the toy's experiments in place of the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flame_jax.errors import InputError
from s2f import cli
from s2f.cli import main
from s2f.commands.train import check_experiment_name, train_command
from tests.training_made import EXPERIMENTS, toy_programs
from train import loop
from train.checkpoints import read_checkpoint


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(cli, "EXPERIMENTS", EXPERIMENTS)
    monkeypatch.setitem(cli.COMMANDS, "train", train_command(EXPERIMENTS, {"toy": "A toy; seconds."}))
    monkeypatch.setattr(loop, "make_programs", toy_programs)


def test_every_field_can_be_overridden_and_a_run_resumed(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["train", "toy", "--out", str(out), "--model.width", "8", "--training.steps", "3"]
    assert main([*arguments, "--training.learning-rate", "0.01"]) == 0
    assert capsys.readouterr().out == f"{out}: 3 of 3 steps\n"
    config = json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]
    assert config["model"] == {"width": 8}
    assert config["training"]["learning_rate"] == 0.01
    assert main(arguments) == 2
    assert "--resume continues it, --overwrite removes it" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 2
    assert "another training.learning_rate;" in capsys.readouterr().err
    more = ["--training.steps", "5", "--training.learning-rate", "0.01", "--resume"]
    assert main([*arguments, *more]) == 0
    assert read_checkpoint(out)[1]["step"] == 5
    assert main([*arguments, "--overwrite"]) == 0
    assert [entry.name for entry in (out / "checkpoints").iterdir()] == ["3"]


def test_a_run_goes_by_its_experiment_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "wide", "--training.steps", "2"]) == 0
    record = json.loads((Path("out/train/wide") / "run.json").read_text(encoding="utf-8"))
    assert record["experiment"] == "wide"
    assert record["config"]["model"]["width"] == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "--overwrite"], "--resume goes on with what is there, --overwrite begins anew"),
        (["--resume", "--init-from", "a"], "--init-from begins anew"),
        (["--training.batch", "0"], "training.batch is 0; give 1 or more"),
        (["--init-from", "absent"], "absent: no such folder"),
        (["--resume"], "holds no training run to resume"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(tmp_path, capsys, options, message):
    assert main(["train", "toy", "--out", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unknown_experiment_gets_a_suggestion():
    with pytest.raises(InputError, match=r"train widee: no such experiment; did you mean wide\? There are toy, wide"):
        check_experiment_name(["widee", "--out", "a"], EXPERIMENTS)
    with pytest.raises(InputError, match="no such experiment; give one of toy, wide"):
        check_experiment_name(["xyz"], EXPERIMENTS)
    for arguments in ([], ["--help"], ["toy", "--out", "a"]):
        check_experiment_name(arguments, EXPERIMENTS)


def test_help_tells_of_the_experiments_and_their_fields(capsys):
    for arguments, shown in (
        (["train", "--help"], "A toy; seconds."),
        (["train", "toy", "--help"], "--training.steps"),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        assert shown in capsys.readouterr().out

"""When a run may be made in a folder."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from flame_jax.errors import InputError
from tests.training_made import SHORT, ToyExperiment, ToyModelConfig
from train.run_folder import about_run, open_run, read_about


def about(name: str = "toy", width: int = 16, **training: Any) -> dict[str, Any]:
    return about_run(name, ToyExperiment(ToyModelConfig(width), dataclasses.replace(SHORT, **training)))


@pytest.fixture
def there(tmp_path):
    """The folder of a run."""
    folder = tmp_path / "deep" / "run"
    open_run(folder, about(), "new").claim()
    return folder


def test_a_run_says_what_it_is(there):
    said = read_about(there / "run.json")
    assert said == json.loads(json.dumps(about()))
    assert said["config"]["training"]["batch"] == 8
    assert {"commit", "uncommitted_changes", "versions"} <= set(said)


def test_a_run_that_is_there_is_an_error_and_stays(there):
    with pytest.raises(InputError, match="holds a training run; --resume continues it, --overwrite removes it"):
        open_run(there, about(), "new")
    assert (there / "run.json").exists()


def test_overwriting_removes_the_run_and_nothing_else(there):
    (there / "checkpoints" / "3").mkdir(parents=True)
    for name in ("log.txt", "events.out.tfevents.1.vm", "model.npz", "notes.md"):
        (there / name).write_text("old")
    run = open_run(there, about(width=32), "overwrite")
    assert (there / "log.txt").exists(), "not before it is claimed"
    run.claim()
    assert sorted(entry.name for entry in there.iterdir()) == ["notes.md", "run.json"]
    assert read_about(there / "run.json")["config"]["model"]["width"] == 32


@pytest.mark.parametrize("mode", ["new", "resume", "overwrite"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, mode):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something else than a training run"):
        open_run(tmp_path, about(), mode)
    with pytest.raises(InputError, match="is a file"):
        open_run(tmp_path / "thesis.tex", about(), mode)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="holds no training run to resume"):
        open_run(tmp_path / "absent", about(), "resume")


def test_an_empty_folder_will_do(tmp_path):
    open_run(tmp_path, about(), "new").claim()
    assert (tmp_path / "run.json").exists()


def test_length_and_cadence_may_change(there):
    changed = about(steps=9, keep=7, log_every=1, validate_every=2, checkpoint_minutes=1.0)
    open_run(there, changed, "resume").claim()
    assert read_about(there / "run.json")["config"]["training"]["steps"] == 9


def test_what_may_not_change_is_named(there):
    with pytest.raises(InputError, match=r"another model\.width, training\.data_seed; resume it with its own"):
        open_run(there, about(width=32, data_seed=5, steps=9), "resume")
    with pytest.raises(InputError, match="of the experiment toy, not wide"):
        open_run(there, about("wide"), "resume")


@pytest.mark.parametrize("text", ["", "[1]", '{"format": "s2f run 1"}', '{"format": "other", "config": {}}'])
def test_a_damaged_record_is_one_line(there, text):
    (there / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json: .*; give another folder") as raised:
        open_run(there, about(), "resume")
    assert "\n" not in str(raised.value)

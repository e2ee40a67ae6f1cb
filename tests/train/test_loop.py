"""Whole runs of the toy: continued bit by bit, interrupted, begun from other weights, given up."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fields.named_leaves import by_name
from flame_jax.errors import InputError
from tests.train.test_event_files import events_in
from tests.training_made import SHORT, ToyExperiment, ToyTask, toy_programs
from train import loop
from train.checkpoints import Checkpoints, read_checkpoint
from train.interrupts import asked_to_stop
from train.loop import Outcome, train
from train.programs import make_programs
from train.run_folder import Mode, about_run, open_run


def run(
    folder: Path, task: ToyTask | None = None, mode: Mode = "new", *, training: Any = SHORT, **options: Any
) -> Outcome:
    experiment = ToyExperiment(training=training)
    return train(
        ToyTask() if task is None else task, training, open_run(folder, about_run("toy", experiment), mode), **options
    )


def after(steps: int) -> Callable[[], bool]:
    """Asks for an end after so many steps."""
    asked = iter([*[False] * (steps - 1), True])
    return lambda: next(asked)


def state_in(folder: Path) -> dict[str, np.ndarray]:
    with Checkpoints(folder / "checkpoints", keep=9) as checkpoints:
        step = checkpoints.latest()
        assert step is not None
        return {
            name: np.asarray(leaf)
            for name, leaf in by_name(checkpoints.restore(step, toy_programs(ToyTask()).state)).items()
        }


@pytest.fixture(autouse=True, scope="module")
def _compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_programs", toy_programs)
        yield


@pytest.fixture(scope="module")
def four_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps at one go."""
    folder = tmp_path_factory.mktemp("runs") / "four"
    assert run(folder).finished
    return folder


def test_two_steps_and_two_more_are_four(tmp_path, four_steps, monkeypatch):
    folder = tmp_path / "run"
    # As another process would: what the first run compiled is not used again.
    monkeypatch.setattr(loop, "make_programs", make_programs)
    assert run(folder, stop=after(2)) == Outcome(step=2, finished=False, validation={})
    half = state_in(folder)
    outcome = run(folder, mode="resume")
    assert (outcome.step, outcome.finished) == (4, True)
    continued, whole = state_in(folder), state_in(four_steps)
    assert continued.keys() == whole.keys()
    for name, array in whole.items():
        assert continued[name].dtype == array.dtype
        np.testing.assert_array_equal(continued[name], array, err_msg=name)
    assert not np.array_equal(half["params.first.kernel"], whole["params.first.kernel"])


def test_the_log_tells_devices_losses_and_the_end(four_steps, capfd):
    lines = (four_steps / "log.txt").read_text(encoding="utf-8").splitlines()
    assert re.search(r"processes 1, devices 1 \(cpu\), batch 8 \(8 per device\), parameters 739$", lines[0])
    assert "first step after" in lines[1]
    told = [re.search(r"step (\d)/4  loss (\S+)  .*norm_gradients \S+ .*steps/s  \d:\d\d:\d\d left$", x) for x in lines]
    assert [match[1] for match in told if match] == ["2", "4"]
    assert "step 4/4  validation: rms" in lines[-2]
    assert "finished at step 4" in lines[-1]
    tags = {(event.step, value.tag) for event in events_in(four_steps) for value in event.summary.value}
    assert {(2, "train/loss"), (4, "train/norm_updates"), (4, "validation/rms")} <= tags


def test_validation_has_the_averaged_weights(four_steps):
    weights, _ = read_checkpoint(four_steps)
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Watching(ToyTask):
        def validate(self, model: Any, constants: Any) -> dict[str, float]:
            seen.append(np.asarray(model.first.kernel[...]))
            return super().validate(model, constants)

    folder = four_steps.parent / "watched"
    run(folder, Watching(), training=dataclasses.replace(SHORT, validate_every=2))
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[-1], weights["first.kernel"])


def test_several_processes_ask_each_other_only_now_and_then(tmp_path, monkeypatch):
    """Whether to stop is agreed on when the log is due, and not before: two processes in one stead."""
    agreed = []

    def one_stead(asked: np.ndarray) -> np.ndarray:
        agreed.append(asked)
        return asked

    monkeypatch.setattr(loop.multihost_utils, "process_allgather", one_stead)
    monkeypatch.setattr(loop.multihost_utils, "sync_global_devices", lambda what: None)
    monkeypatch.setattr(loop.jax, "process_count", lambda: 2)
    monkeypatch.setattr(loop, "Checkpoints", _NoCheckpoints)
    assert run(tmp_path).finished
    assert len(agreed) == SHORT.steps // SHORT.log_every


class _NoCheckpoints(Checkpoints):
    """Orbax would wait for the other process."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        pass

    def __enter__(self) -> _NoCheckpoints:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def save(self, state: Any, about: Any) -> None:
        pass


def test_sigterm_saves_after_the_current_step(tmp_path):
    class Terminated(ToyTask):
        def validate(self, model: Any, constants: Any) -> dict[str, float]:
            os.kill(os.getpid(), signal.SIGTERM)
            return {}

    with asked_to_stop() as stop:
        outcome = run(tmp_path, Terminated(), training=dataclasses.replace(SHORT, validate_every=3), stop=stop)
    assert (outcome.step, outcome.finished) == (3, False)
    assert read_checkpoint(tmp_path)[1]["step"] == 3
    assert "stopped, saved at step 3; --resume continues" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_checkpoints_come_by_the_clock(tmp_path):
    run(tmp_path, training=dataclasses.replace(SHORT, checkpoint_minutes=0.0, keep=3))
    assert sorted(entry.name for entry in (tmp_path / "checkpoints").iterdir()) == ["2", "3", "4"]


def test_a_checkpoint_says_what_it_is_of(four_steps):
    about = read_checkpoint(four_steps)[1]
    assert about["config"]["training"]["batch"] == 8
    assert about["data_seed"] == SHORT.data_seed
    assert {"commit", "uncommitted_changes", "versions", "experiment", "step"} <= set(about)


def test_a_run_that_is_done_stays_as_it_is(four_steps):
    before = state_in(four_steps)
    assert run(four_steps, mode="resume") == Outcome(step=4, finished=True, validation={})
    for name, array in state_in(four_steps).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_longer_run_goes_on(tmp_path):
    run(tmp_path)
    assert run(tmp_path, mode="resume", training=dataclasses.replace(SHORT, steps=5)).step == 5


def test_weights_of_another_run_are_where_a_new_one_begins(tmp_path, four_steps):
    still = dataclasses.replace(SHORT, learning_rate=1e-30, weight_decay=0.0)
    run(tmp_path / "new", training=still, init_from=four_steps)
    begun, source = read_checkpoint(tmp_path / "new")[0], read_checkpoint(four_steps)[0]
    for name, array in source.items():
        np.testing.assert_allclose(begun[name], array, rtol=1e-6)


def test_weights_that_do_not_fit_leave_nothing_behind(tmp_path, four_steps):
    with pytest.raises(InputError, match=r"parameter first\.bias is 16, in this model 24"):
        run(tmp_path / "new", ToyTask(width=24), init_from=four_steps)
    assert not (tmp_path / "new").exists()


def test_a_hopeless_run_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_HOPELESS", 4)
    with pytest.raises(InputError, match=r"none of the last 4 steps had a finite gradient; .*learning_rate"):
        run(tmp_path, ToyTask(poisoned=True), training=dataclasses.replace(SHORT, steps=50))


def test_hyperparameters_are_checked_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match=r"training\.batch"):
        run(tmp_path / "new", training=dataclasses.replace(SHORT, batch=0))
    assert not (tmp_path / "new").exists()

"""Training, from the first step or from where a run was left to the last."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from fields.named_leaves import by_name
from flame_jax.errors import InputError
from train.checkpoints import Checkpoints
from train.drawing_ahead import drawn_ahead
from train.initial_weights import read_any_weights, with_weights
from train.parameter_names import check_fit, count
from train.programs import Programs, make_programs
from train.run_folder import RunFolder
from train.run_log import RunLog
from train.running_means import Sums, add, means
from train.sharding import everywhere
from train.state import TrainState, merge_model
from train.task import Task
from train.training import Training

_AHEAD = 2
"""Steps that may wait on the devices: enough that these never wait, and few enough that what waits takes little memory
and an interrupt is answered soon."""
_HOPELESS = 100
"""Steps in a row without a finite gradient after which training ends."""
_LATEST = ("learning_rate", "skipped")
"""Metrics whose last value is told, not their mean."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    """Steps done, and saved."""
    finished: bool
    """Whether these are all."""
    validation: dict[str, float]
    """Figures of the last validation; empty if there was none."""


def train(
    task: Task,
    training: Training,
    run: RunFolder,
    *,
    init_from: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    mesh: Mesh | None = None,
) -> Outcome:
    """Train, and leave checkpoints, a log and event files in a run's folder.

    Args:
        task: What is trained.
        training: Its hyperparameters.
        run: Where; of `open_run`. A run that is there is continued if its mode is resume.
        init_from: Weights to start from (`read_any_weights`); for a new run alone.
        stop: Whether to save and end after the current step; asked after each.
        mesh: The devices; all by default.

    Raises:
        InputError: The hyperparameters make no sense or do not suit the devices; the folder or a checkpoint in it
            cannot be used; the weights are of another model; or no gradient is finite any more.
    """
    training.check()
    programs = make_programs(task, training, mesh)
    weights = None if init_from is None else read_any_weights(init_from)
    if weights is not None:
        # Before anything is written or removed.
        check_fit(init_from, weights, by_name(programs.state.params))
    speaks = jax.process_index() == 0
    _wait_for_all("opened")
    if speaks:
        run.claim()
    _wait_for_all("claimed")
    with Checkpoints(run.checkpoints, keep=training.keep) as checkpoints:
        latest = checkpoints.latest() if run.mode == "resume" else None
        state = programs.init() if latest is None else checkpoints.restore(latest, programs.state)
        if weights is not None:
            state = with_weights(state, weights, init_from)
        with RunLog(run.log, steps=training.steps, first_step=latest or 0, speaks=speaks) as log:
            log.say(_described(programs, training))
            if latest is not None:
                log.say(f"resumed at step {latest}")
            loop = _Loop(task, training, programs, checkpoints, log, run.about)
            return loop.run(state, stop)


@dataclasses.dataclass(frozen=True)
class _Loop:
    """What does not change while a run goes on."""

    task: Task
    training: Training
    programs: Programs
    checkpoints: Checkpoints
    log: RunLog
    about: dict[str, Any]

    def run(self, state: TrainState, stop: Callable[[], bool]) -> Outcome:
        """Train from a state to the last step, or until told to stop."""
        steps = self.training.steps
        constants = jax.device_put(self.task.constants, everywhere(self.programs.mesh))
        step, validation = int(state.step), {}
        pace, watch, saved = _Pace(step), _Watch(step, int(state.skipped)), time.monotonic()
        waiting: collections.deque[jax.Array] = collections.deque()
        sums: Sums | None = None
        stopped = False
        # A copy: the state is given up to its step.
        for batch, key in drawn_ahead(self.programs, constants, jax.numpy.copy(state.step), steps - step):
            with jax.transfer_guard("disallow"):
                state, metrics = self.programs.step(state, constants, batch, key)
                step += 1
                sums = add(sums, metrics)
            waiting.append(metrics["loss"])
            if len(waiting) > _AHEAD:
                waiting.popleft().block_until_ready()
            if pace.untold:
                jax.block_until_ready(state)
                self.log.say(f"first step after {pace.seconds():.1f} s, compilation included")
                pace.restart(step)
            self.log.stepped(step)
            if self._due(step, self.training.log_every):
                told = {"loss": 0.0} | means(sums) | {name: float(metrics[name]) for name in _LATEST}
                self.log.trained(step, told, pace.rate(step))
                watch.check(step, int(told["skipped"]))
                pace.restart(step)
                sums = None
            if self._due(step, self.training.validate_every):
                validation = self._validate(state, constants)
                self.log.validated(step, validation)
                pace.restart(step)
            if jax.process_count() == 1 or self._due(step, self.training.log_every):
                late = time.monotonic() - saved >= 60.0 * self.training.checkpoint_minutes
                stopped, late = _agreed(stop(), late)
                if stopped or late:
                    self.checkpoints.save(state, self.about)
                    saved = time.monotonic()
                    pace.restart(step)
            if stopped:
                break
        self.checkpoints.save(state, self.about)
        finished = step >= steps
        self.log.say(f"finished at step {step}" if finished else f"stopped, saved at step {step}; --resume continues")
        return Outcome(step, finished, validation)

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.training.steps

    def _validate(self, state: TrainState, constants: Any) -> dict[str, float]:
        model = merge_model(self.programs.graphdef, self.programs.gather(state.ema))
        return {name: float(value) for name, value in self.task.validate(model, constants).items()}


class _Pace:
    """Steps per second since the clock was last set."""

    def __init__(self, step: int) -> None:
        self.untold = True
        """Whether the clock has not been set since the run began, before anything was compiled."""
        self._step, self._time = step, time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._time

    def restart(self, step: int) -> None:
        self.untold = False
        self._step, self._time = step, time.monotonic()

    def rate(self, step: int) -> float:
        return max(step - self._step, 1) / max(self.seconds(), 1e-6)


class _Watch:
    """Sees when no gradient is finite any more."""

    def __init__(self, step: int, skipped: int) -> None:
        self._step, self._skipped, self._hopeless = step, skipped, 0

    def check(self, step: int, skipped: int) -> None:
        """Given how many steps were done and skipped: raise `InputError` when the last many of them all were."""
        all_skipped = skipped - self._skipped == step - self._step
        self._hopeless = self._hopeless + step - self._step if all_skipped else 0
        self._step, self._skipped = step, skipped
        if self._hopeless >= _HOPELESS:
            raise InputError(
                f"none of the last {self._hopeless} steps had a finite gradient; go back to an earlier checkpoint or "
                "give a smaller training.learning_rate"
            )


def _wait_for_all(what: str) -> None:
    """So that no process finds its folder taken by the first one, or not there yet."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def _agreed(*asked: bool) -> list[bool]:
    """What any process asks for: saving is done by all of them together, and their clocks and signals differ."""
    if jax.process_count() == 1:
        return list(asked)
    return [bool(flag) for flag in multihost_utils.process_allgather(np.array(asked)).reshape(-1, len(asked)).any(0)]


def _described(programs: Programs, training: Training) -> str:
    """The run's first line."""
    devices = programs.mesh.devices.flat
    return (
        f"processes {jax.process_count()}, devices {len(devices)} ({devices[0].device_kind}), "
        f"batch {training.batch} ({training.batch // len(devices)} per device), "
        f"parameters {count(programs.state.params):,}"
    )

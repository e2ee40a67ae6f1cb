"""One step: what it changes, what it tells, and when it changes nothing."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training_made import SHORT, ToyTask, toy_programs
from train.step import OWN_METRICS, gradients, train_step
from train.training import Training


def run(task: ToyTask, count: int, **changes: Any) -> tuple[list[Any], list[Any]]:
    """States, the first one included, and metrics of some steps, nothing given up."""
    training = dataclasses.replace(SHORT, **changes)
    programs, step = toy_programs(task, training), _step(task, training)
    states, told = [programs.init()], []
    for number in range(count):
        batch, key, _ = programs.draw(task.constants, jnp.int32(number))
        state, metrics = step(states[-1], task.constants, batch, key)
        states.append(state)
        told.append(metrics)
    return states, told


@functools.cache
def _step(task: ToyTask, training: Training) -> Any:
    return jax.jit(functools.partial(train_step, task, toy_programs(task, training).graphdef, training))


def norm(tree: Any) -> float:
    return float(np.sqrt(sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in jax.tree.leaves(tree))))


def test_the_loss_falls():
    _, told = run(ToyTask(), 60, steps=60, learning_rate=1e-2)
    assert np.mean([metrics["loss"] for metrics in told[-5:]]) < 0.4 * told[0]["loss"]


def test_metrics_are_those_of_the_step():
    task = ToyTask()
    (before, after), (metrics,) = run(task, 1)
    assert set(metrics) == {*OWN_METRICS, "worst"}
    programs = toy_programs(task)
    batch, key, _ = programs.draw(task.constants, jnp.int32(0))
    (loss, _), by_params = gradients(task, programs.graphdef, before.params, task.constants, batch, key)
    assert metrics["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert metrics["norm_gradients"] == pytest.approx(norm(by_params), rel=1e-5)
    assert metrics["norm_parameters"] == pytest.approx(norm(after.params), rel=1e-5)
    change = jax.tree.map(lambda new, old: np.asarray(new) - np.asarray(old), after.params, before.params)
    assert metrics["norm_updates"] == pytest.approx(norm(change), rel=1e-3)
    assert metrics["learning_rate"] == pytest.approx(SHORT.learning_rate / 2)
    assert (int(after.step), int(after.skipped), int(metrics["skipped"])) == (1, 0, 0)


def test_the_average_follows_with_a_decay_that_grows():
    states, _ = run(ToyTask(), 3, ema_decay=0.15)
    mean = np.asarray(states[0].params["first"]["kernel"])
    # (1 + n) / (10 + n) for n = 0 and 1; then the final decay.
    for decay, state in zip((1 / 10, 0.15, 0.15), states[1:], strict=True):
        mean = decay * mean + (1 - decay) * np.asarray(state.params["first"]["kernel"])
        np.testing.assert_allclose(state.ema["first"]["kernel"], mean, rtol=1e-5, atol=1e-7)


def test_a_step_without_a_finite_gradient_changes_nothing_but_the_counters():
    (before, once, twice), told = run(ToyTask(poisoned=True), 2)
    assert np.isnan(told[0]["loss"])
    for part in ("params", "ema", "opt_state"):
        for old, new in zip(*(jax.tree.leaves(getattr(s, part)) for s in (before, twice)), strict=True):
            np.testing.assert_array_equal(new, old)
    assert (int(once.step), int(once.skipped)) == (1, 1)
    assert (int(twice.step), int(twice.skipped)) == (2, 2)
    assert int(told[1]["skipped"]) == 2
    assert float(told[1]["norm_updates"]) == 0.0


def test_a_metric_of_a_taken_name_is_refused():
    class Taken(ToyTask):
        def loss(self, model: Any, constants: Any, batch: Any, key: Any) -> Any:
            return super().loss(model, constants, batch, key)[0], {"skipped": jnp.zeros(())}

    with pytest.raises(ValueError, match="metric skipped"):
        run(Taken(), 1)

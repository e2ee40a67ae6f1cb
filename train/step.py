"""One step of training, as a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from train.optimiser import learning_rates, make_optimiser
from train.state import TrainState, merge_model
from train.task import Batch, Constants, Task
from train.training import Training

OWN_METRICS = ("loss", "learning_rate", "skipped", "norm_gradients", "norm_parameters", "norm_updates")
"""Metrics of every task. `skipped` counts from the run's first step; the others are of this step."""


def gradients(
    task: Task, graphdef: nnx.GraphDef, params: Any, constants: Constants, batch: Batch, key: jax.Array
) -> tuple[tuple[jax.Array, Mapping[str, jax.Array]], Any]:
    """((loss, further scalars), gradients of the loss by the parameters)."""

    def loss(params: Any) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        return task.loss(merge_model(graphdef, params), constants, batch, key)

    return jax.value_and_grad(loss, has_aux=True)(params)


def train_step(
    task: Task,
    graphdef: nnx.GraphDef,
    training: Training,
    state: TrainState,
    constants: Constants,
    batch: Batch,
    key: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """The state after one more step, and the step's metrics.

    Where the loss or a gradient is not finite, parameters, average and optimiser stay as they were; the step counts as
    done all the same, for the next one draws another batch.

    Raises:
        ValueError: The task has a metric of a name of `OWN_METRICS`.
    """
    (loss, further), by_params = gradients(task, graphdef, state.params, constants, batch, key)
    if taken := sorted(set(further) & set(OWN_METRICS)):
        raise ValueError(f"the task's metric {taken[0]} has the name of one that every task has")
    norm = optax.tree.norm(by_params)
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    updates, opt_state = make_optimiser(training).update(by_params, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = _averaged(state.ema, params, training.ema_decay, state.step - state.skipped)

    def kept(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda new, old: jnp.where(finite, new, old), new, old)

    after = TrainState(
        step=state.step + 1,
        skipped=state.skipped + jnp.where(finite, 0, 1),
        params=kept(params, state.params),
        ema=kept(ema, state.ema),
        opt_state=kept(opt_state, state.opt_state),
    )
    metrics = {
        "loss": loss,
        # The optimiser counts the updates that it made, so skipped steps do not move along its schedule.
        "learning_rate": jnp.asarray(learning_rates(training)(state.step - state.skipped)),
        "skipped": after.skipped,
        "norm_gradients": norm,
        "norm_parameters": optax.tree.norm(after.params),
        "norm_updates": jnp.where(finite, optax.tree.norm(updates), 0.0),
    }
    return after, metrics | dict(further)


def _averaged(ema: Any, params: Any, decay: float, updates: jax.Array) -> Any:
    """The moving average after one more update.

    Its decay grows as (1 + n) / (10 + n) to its final value, as in TensorFlow's `ExponentialMovingAverage`: the first
    parameters would otherwise weigh on the average for thousands of steps.
    """
    decay_now = jnp.minimum(decay, (1 + updates) / (10 + updates))
    return jax.tree.map(lambda mean, new: (mean + (1 - decay_now) * (new - mean)).astype(mean.dtype), ema, params)

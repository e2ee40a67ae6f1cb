"""The compiled programs of a run: shapes first, then shardings, then jit.

A step's batch and random key depend on the seeds and the step's number alone, so a run that is continued sees what it
would have seen. The number is counted on the device: a step moves nothing between host and device.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh

from train.optimiser import make_optimiser
from train.sharding import SPLIT_FROM, batch_sharding, everywhere, make_data_mesh, placed, state_shardings
from train.state import TrainState, new_state
from train.step import train_step
from train.task import Batch, Constants, Task
from train.training import Training

_OF_THE_LOSS = 0x1055
"""Keeps the loss's random numbers apart from the first parameters', which are drawn from the same seed."""


@dataclasses.dataclass(frozen=True)
class Programs:
    """What is run on the devices. `shapes` say what and where, so each program can be compiled without any arrays."""

    mesh: Mesh
    """The devices."""
    graphdef: nnx.GraphDef
    """The model's static part."""
    state: TrainState
    """Shapes, types and shardings of the state."""
    constants: Any
    """Shapes, types and shardings of the task's constants."""
    batch: Any
    """Shapes, types and shardings of a batch."""
    init: Callable[[], TrainState]
    """The state before the first step."""
    draw: Callable[[Constants, jax.Array], tuple[Batch, jax.Array, jax.Array]]
    """From the constants and a step's number: its batch, its key and the next step's number."""
    step: Callable[[TrainState, Constants, Batch, jax.Array], tuple[TrainState, dict[str, jax.Array]]]
    """`train_step`; the state that goes in is given up."""
    gather: Callable[[Any], Any]
    """A copy of parameters that lies on every device whole."""


def make_programs(
    task: Task, training: Training, mesh: Mesh | None = None, *, split_from: int = SPLIT_FROM
) -> Programs:
    """The programs of a task, not yet compiled.

    Args:
        task: What is trained.
        training: Its hyperparameters.
        mesh: Of `make_data_mesh`; of all devices by default.
        split_from: As for `state_shardings`.

    Raises:
        InputError: The batch cannot be shared out evenly among the devices.
        ValueError: The model or the batch is not as `Task` says.
    """
    mesh = make_data_mesh() if mesh is None else mesh
    whole = everywhere(mesh)
    optimiser = make_optimiser(training)
    make_state = functools.partial(new_state, task, training.seed, optimiser)
    graphdef, state = jax.eval_shape(make_state)
    state = placed(state, state_shardings(mesh, state, split_from=split_from))
    constants = placed(jax.eval_shape(lambda: task.constants), whole)

    def draw(constants: Constants, step: jax.Array) -> tuple[Batch, jax.Array, jax.Array]:
        batch = task.draw_batch(constants, jax.random.fold_in(jax.random.key(training.data_seed), step), training.batch)
        of_the_loss = jax.random.fold_in(jax.random.key(training.seed), _OF_THE_LOSS)
        return batch, jax.random.fold_in(of_the_loss, step), step + 1

    batch, _, _ = jax.eval_shape(draw, constants, state.step)
    shared_out = batch_sharding(mesh, batch, training.batch)
    batch = placed(batch, shared_out)
    of_state = jax.tree.map(lambda leaf: leaf.sharding, state)
    return Programs(
        mesh=mesh,
        graphdef=graphdef,
        state=state,
        constants=constants,
        batch=batch,
        init=jax.jit(lambda: make_state()[1], out_shardings=of_state),
        draw=jax.jit(draw, in_shardings=(whole, whole), out_shardings=(shared_out, whole, whole)),
        step=jax.jit(
            functools.partial(train_step, task, graphdef, training),
            in_shardings=(of_state, whole, shared_out, whole),
            out_shardings=(of_state, whole),
            donate_argnums=0,
        ),
        gather=jax.jit(lambda params: params, out_shardings=whole),
    )

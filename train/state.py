"""What changes from step to step, as one pytree.

The model itself is never carried around: it is split into a `graphdef`, which is static, and its parameters, a nested
dict of arrays, and merged again inside the loss.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from train.task import Task


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """State of a training run; the same structure holds its shapes and its shardings."""

    step: Any
    """Steps done, int32 scalar."""
    skipped: Any
    """How many of them were skipped because a gradient was not finite, int32 scalar."""
    params: Any
    """The model's parameters: a nested dict of arrays."""
    ema: Any
    """Their exponential moving average, of the same structure."""
    opt_state: Any
    """The optimiser's."""


def split_model(model: nnx.Module) -> tuple[nnx.GraphDef, dict[Any, Any]]:
    """A model's static part and its parameters.

    Raises:
        ValueError: The model has other state than parameters; the message names one.
    """
    # Typed loosely: the stubs know of no filter that takes the rest.
    split: Any = nnx.split(model, nnx.Param, ...)
    graphdef, params, other = split
    if left := jax.tree_util.tree_leaves_with_path(other):
        name = jax.tree_util.keystr(left[0][0][:-1], simple=True, separator=".")
        raise ValueError(f"the model's {name} is no nnx.Param: pass it with the constants or the key")
    return graphdef, nnx.to_pure_dict(params)


def merge_model(graphdef: nnx.GraphDef, params: Any) -> Any:
    """The model with these parameters."""
    return nnx.merge(graphdef, params)


def new_state(task: Task, seed: int, optimiser: optax.GradientTransformation) -> tuple[nnx.GraphDef, TrainState]:
    """The state before the first step. Traced: `jax.eval_shape` of it gives the shapes without any arrays."""
    graphdef, params = split_model(task.make_model(seed))
    zero = jnp.zeros((), jnp.int32)
    return graphdef, TrainState(step=zero, skipped=zero, params=params, ema=params, opt_state=optimiser.init(params))

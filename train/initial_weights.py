"""A run that starts from the weights of another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from train.checkpoints import read_checkpoint
from train.parameter_names import by_name, check_fit, with_structure_of
from train.state import TrainState
from train.weights_file import read_weights


def read_any_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights by name: the averaged ones of a run's or a checkpoint's folder, or those of a file of weights.

    Raises `InputError` where there are none.
    """
    return (read_weights(path) if path.is_file() else read_checkpoint(path))[0]


def with_weights(state: TrainState, weights: dict[str, np.ndarray], source: object) -> TrainState:
    """A new run's state with other parameters, which are its average too; step and optimiser stay as they are.

    Args:
        state: Before the first step.
        weights: By name; of the same shapes as the state's.
        source: Where they come from, for the message.

    Raises:
        InputError: A parameter is missing, too many, or of another shape.
    """
    wanted = by_name(state.params)
    check_fit(source, weights, wanted)

    def on_devices() -> Any:
        named = {name: jax.device_put(weights[name].astype(old.dtype), old.sharding) for name, old in wanted.items()}
        return with_structure_of(state.params, named)

    # Two copies, for the first step gives up both.
    return dataclasses.replace(state, params=on_devices(), ema=on_devices())

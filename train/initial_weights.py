"""A run that starts from the weights of another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from data.pairs.content import file_digest
from fields.face_model_file import is_face_model, read_face_parameters
from fields.named_leaves import by_name, with_structure_of
from flame_jax.errors import InputError
from train.checkpoints import read_checkpoint
from train.parameter_names import check_fit
from train.run_folder import MODEL, RECORD, read_about
from train.state import TrainState
from train.weights_file import read_weights

_BEGAN = "init_from"


def initial_file(path: Path) -> Path:
    """What a run begins with, given what the user gave: of a run's folder its model, where it has left one.

    A model's file holds what its weights depart from, besides these; a checkpoint holds the weights alone.
    """
    model = path / MODEL
    return model if path.is_dir() and model.is_file() else path


def beginning(start: Path | None) -> dict[str, Any]:
    """What run.json says of what a run began with: where it is, and its content's SHA-256 if it is a model."""
    if start is None:
        return {}
    return {_BEGAN: {"path": str(start.resolve()), "sha256": file_digest(start) if is_face_model(start) else None}}


def began_with(run: Path) -> Path | None:
    """The model that a run began with, if it was one: the run needs its head again when it is resumed.

    Raises `InputError` when it is no longer there or is another one.
    """
    record = run / RECORD
    began = read_about(record).get(_BEGAN) if record.is_file() else None
    if not began or began.get("sha256") is None:
        return None
    model = Path(began["path"])
    if file_digest(model) != began["sha256"]:
        raise InputError(f"{model}: is not the model that {run} began with any more; put that back, or begin anew")
    return model


def read_any_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights by name: the averaged ones of a run's or a checkpoint's folder, or those of a model's file or of a file
    of weights.

    Raises `InputError` where there are none.
    """
    if is_face_model(path):
        return read_face_parameters(path)
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

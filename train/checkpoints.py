"""Checkpoints by orbax: a folder per step, which appears whole or not at all.

Each holds three sets of named arrays, `params`, `ema` and `optimiser` (with the counters), so that weights are read
without the rest, and `about`, the run's description as JSON. Reading looks up named arrays of numbers and runs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from fields.named_leaves import by_name, with_structure_of
from flame_jax.errors import InputError
from train.parameter_names import check_fit
from train.run_folder import CHECKPOINTS
from train.state import TrainState

_PARTS = ("params", "ema", "optimiser")
_ABOUT = "about"
_SHAPES = "shapes"
"""Part of `about` that says what there is; orbax would open every array to tell."""
_REMEDY = "give the folder of another checkpoint, or remove it to use the one before"


class Checkpoints:
    """The checkpoints of one run, to be written and continued from. A context manager."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        """`folder` is made if need be; what an interrupted save has left there is removed. The last `keep` stay."""
        self._folder = folder
        # Saved in the foreground: states are small, and what is being saved is given up to the next step.
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, cleanup_tmp_directories=True, enable_async_checkpointing=False
        )
        handlers: dict[str, Any] = {part: ocp.PyTreeCheckpointHandler() for part in _PARTS}
        try:
            self._manager = ocp.CheckpointManager(
                folder.resolve(), options=options, item_handlers=handlers | {_ABOUT: ocp.JsonCheckpointHandler()}
            )
        except OSError as error:
            raise _unwritable(folder, error) from error

    def latest(self) -> int | None:
        """Step of the last checkpoint; None where there is none."""
        return self._manager.latest_step()

    def save(self, state: TrainState, about: dict[str, Any]) -> None:
        """Save a state under its step, unless that is there. Raises `InputError` when it cannot be written."""
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        parts = {part: by_name(tree) for part, tree in _parts(state).items()}
        shapes = {part: {name: list(leaf.shape) for name, leaf in named.items()} for part, named in parts.items()}
        items = ocp.args.Composite(
            **{part: ocp.args.PyTreeSave(named) for part, named in parts.items()},
            **{_ABOUT: ocp.args.JsonSave(about | {"step": step, _SHAPES: shapes})},
        )
        try:
            self._manager.save(step, args=items)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def restore(self, step: int, state: TrainState) -> TrainState:
        """The state of a step, given its shapes, types and shardings.

        Raises `InputError` when the checkpoint is damaged or its arrays have other names or shapes.
        """
        folder, read = self._folder / str(step), {}
        _, there = _about(folder)
        for part, shapes in _parts(state).items():
            wanted = by_name(shapes)
            check_fit(folder, there[part], wanted)
            where = ocp.checkpoint_utils.construct_restore_args(wanted)
            read[part] = with_structure_of(shapes, _read_arrays(folder / part, where, there[part]))
        return TrainState(params=read["params"], ema=read["ema"], **read["optimiser"])

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Averaged weights by name, and what the run was, from a run's folder (its last checkpoint) or one checkpoint's.

    Raises `InputError` when there is no checkpoint, or a damaged one.
    """
    folder = _checkpoint_in(path)
    about, shapes = _about(folder)
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in shapes["ema"]}
    return _read_arrays(folder / "ema", as_numpy, shapes["ema"]), about


def _checkpoint_in(path: Path) -> Path:
    if (path / "ema").is_dir():
        return path
    for folder in (path / CHECKPOINTS, path):
        steps = [int(entry.name) for entry in folder.glob("*") if entry.name.isdigit() and (entry / "ema").is_dir()]
        if steps:
            return folder / str(max(steps))
    what = "holds no checkpoint" if path.is_dir() else "no such folder"
    raise InputError(f"{path}: {what}; give the folder of a training run or of a checkpoint")


def _parts(state: TrainState) -> dict[str, Any]:
    optimiser = {"step": state.step, "skipped": state.skipped, "opt_state": state.opt_state}
    return {"params": state.params, "ema": state.ema, "optimiser": optimiser}


def _about(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What a checkpoint is of, and what has which shape in each of its sets, by name."""
    with _one_line(folder), ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
        about = dict(checkpointer.restore((folder / _ABOUT).resolve(), args=ocp.args.JsonRestore()))
        shapes = about.pop(_SHAPES)
        return about, {
            part: {name: jax.ShapeDtypeStruct(tuple(shape), np.float32) for name, shape in shapes[part].items()}
            for part in _PARTS
        }


def _read_arrays(folder: Path, how: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """Arrays of one set by name, given orbax's arguments for each, and the shapes that they must have.

    One after another, some milliseconds each: where the reading of several fails, orbax leaves all but the first to an
    event loop that is closed by then, and Python prints a traceback for each.
    """
    read: dict[str, Any] = {}
    with _one_line(folder.parent), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        for name, args in how.items():
            one = ocp.args.PyTreeRestore({name: 0}, restore_args={name: args}, partial_restore=True)
            read[name] = checkpointer.restore(folder.resolve(), args=one)[name]
            if read[name].shape != shapes[name].shape:
                raise ValueError(f"{name} is of another shape than the record says")
    return read


@contextlib.contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Orbax and tensorstore raise most kinds of exceptions for a damaged checkpoint, and long ones."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{folder}: is no checkpoint, or a damaged one ({type(error).__name__}); {_REMEDY}") from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder}: cannot be written ({error.strerror or error}); give another folder to --out")

"""Trained weights as one small file, to be shipped and loaded: named arrays, and what they are as JSON.

A NumPy archive without pickles. Half precision is enough for weights: 11 bits, where a trained network's own noise is
greater; they are read as float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flame_jax.array_archive import ABOUT, ArchiveKind

FORMAT = "s2f weights 1"
_KIND = ArchiveKind(FORMAT, "is no file of weights", "give a file of weights, or get it anew")
_KINDS = (np.float16, np.float32)


def write_weights(
    path: Path, params: Mapping[str, Any], about: Mapping[str, Any], *, kind: Literal["float16", "float32"] = "float16"
) -> None:
    """Write weights to a .npz file.

    Args:
        path: The file.
        params: Arrays by name, as `read_checkpoint` returns them.
        about: What they are, as JSON has it.
        kind: Precision in the file.

    Raises:
        InputError: The file cannot be written.
        ValueError: A weight is not finite or too large for float16, or a name is taken; the message names it.
    """
    stored: dict[str, np.ndarray] = {}
    for name, array in params.items():
        if name == ABOUT:
            raise ValueError(f"a parameter cannot be named {ABOUT}")
        with np.errstate(over="ignore"):
            stored[name] = np.asarray(array).astype(kind)
        if not np.isfinite(stored[name]).all():
            raise ValueError(f"the parameter {name} has values that are not finite as {kind}")
    _KIND.write(path, stored, about)


def read_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights by name as float32, and what they are. Nothing in the file is run.

    Raises `InputError` for a file that is absent, none of these, or damaged.
    """
    stored, about = _KIND.read(path)
    if not all(array.dtype in _KINDS and np.isfinite(array).all() for array in stored.values()):
        raise _KIND.damaged(path)
    return {name: array.astype(np.float32) for name, array in stored.items()}, about

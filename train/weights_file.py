"""Trained weights as one small file, to be shipped and loaded: named arrays, and what they are as JSON.

A NumPy archive without pickles. Half precision is enough for weights: 11 bits, where a trained network's own noise is
greater; they are read as float32.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

FORMAT = "s2f weights 1"
_ABOUT = "about"
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
        if name == _ABOUT:
            raise ValueError(f"a parameter cannot be named {_ABOUT}")
        with np.errstate(over="ignore"):
            stored[name] = np.asarray(array).astype(kind)
        if not np.isfinite(stored[name]).all():
            raise ValueError(f"the parameter {name} has values that are not finite as {kind}")
    text = json.dumps({**about, "format": FORMAT}, allow_nan=False)
    stored[_ABOUT] = np.frombuffer(text.encode(), dtype=np.uint8)
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, **stored)  # type: ignore[arg-type]


def read_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights by name as float32, and what they are. Nothing in the file is run.

    Raises `InputError` for a file that is absent, none of these, or damaged.
    """
    remedy = "give a file of weights, or get it anew"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {remedy}")
    damaged = InputError(f"{path}: is no file of weights, or a damaged one; {remedy}")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        about = json.loads(stored.pop(_ABOUT).tobytes())
        written_as = about["format"]
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
        EOFError,
        NotImplementedError,
        RecursionError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        raise damaged from None
    if written_as != FORMAT:
        raise InputError(f"{path}: format '{written_as}' is not '{FORMAT}'; {remedy}")
    if not all(array.dtype in _KINDS and np.isfinite(array).all() for array in stored.values()):
        raise damaged
    return {name: array.astype(np.float32) for name, array in stored.items()}, about

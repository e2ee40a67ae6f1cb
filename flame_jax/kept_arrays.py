"""Arrays that took long to make, kept in a file so that they are made once. Not compressed: reading is to be fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from flame_jax.array_archive import read_arrays
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file


def keep_arrays(path: Path, arrays: Mapping[str, np.ndarray], **marks: str) -> None:
    """Keep arrays in a file, which appears whole or not at all.

    Args:
        path: The file.
        arrays: By name.
        marks: Short texts by name, which say what the arrays are or were made from.

    Raises:
        InputError: The place cannot be written.
    """
    texts = {name: np.array(text) for name, text in marks.items()}
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, **texts, **arrays)  # type: ignore[arg-type]


def read_kept(path: Path, names: Iterable[str], **marks: str) -> dict[str, np.ndarray] | None:
    """Arrays that were kept, or None where there is no file or its marks are others.

    Raises:
        InputError: The file is damaged, or lacks one of the names or marks.
    """
    if not path.is_file():
        return None
    damaged = InputError(f"{path}: damaged; remove it, and it is made again")
    marked = read_arrays(path, marks)
    if marked is None:
        raise damaged
    if any(str(marked[name]) != text for name, text in marks.items()):
        return None
    arrays = read_arrays(path, names)
    if arrays is None:
        raise damaged
    return arrays

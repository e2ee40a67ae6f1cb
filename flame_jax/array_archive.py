"""NumPy archives (.npz): arrays by name, and JSON in the array `about` that says what they are. No pickles, so nothing
in a file is ever run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

ABOUT = "about"


@dataclasses.dataclass(frozen=True)
class ArchiveKind:
    """Files of one kind, told by the format that they say they are of."""

    format: str
    is_none: str
    """What is said of a file that is none of these, such as "is no face field"."""
    remedy: str
    """What to do about it, such as "get it anew"."""

    def write(self, path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """Write a file, compressed, whole or not at all.

        Raises:
            InputError: The place cannot be written.
            ValueError: `about` holds a number that is not finite.
        """
        text = json.dumps({**about, "format": self.format}, allow_nan=False)
        with whole_file(path) as unfinished, unfinished.open("wb") as stream:
            np.savez_compressed(stream, **{ABOUT: np.frombuffer(text.encode(), np.uint8)}, **arrays)  # type: ignore[arg-type]

    def read(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays of a file, and what it says of itself. Whether they are what the kind needs is for the caller to
        see, who raises `damaged` if not.

        Raises:
            InputError: No such file, or one of another kind or format, or a damaged one.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such file; {self.remedy}")
        arrays = read_arrays(path) or {}
        about = _parsed(arrays.pop(ABOUT, None))
        if about is None:
            raise self.damaged(path)
        if about["format"] != self.format:
            raise InputError(f"{path}: format '{about['format']}' is not '{self.format}'; {self.remedy}")
        return arrays, about

    def is_meant_by(self, path: Path) -> bool:
        """Whether a file, damaged or not, says that it is of this kind."""
        about = _parsed((read_arrays(path, [ABOUT]) or {}).get(ABOUT))
        return about is not None and about["format"] == self.format

    def damaged(self, path: Path) -> InputError:
        """To be raised for a file whose content does not fit."""
        return InputError(f"{path}: {self.is_none}, or a damaged one; {self.remedy}")


def read_arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray] | None:
    """Arrays of an archive by name, all of them unless names are given. None where one is missing, or the file is
    absent, none of these, or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (file.files if names is None else names)}
    except Exception:
        # Damaged bytes raise a dozen types, and nothing but NumPy's reader can raise here.
        return None
    # A member that is no array comes as bytes.
    return arrays if all(isinstance(array, np.ndarray) for array in arrays.values()) else None


def _parsed(about: np.ndarray | None) -> dict[str, Any] | None:
    """What an archive says of itself, its format at least, or None."""
    if about is None:
        return None
    try:
        said = json.loads(about.tobytes())
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and "format" in said else None

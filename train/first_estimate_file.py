"""The first estimate's constants as a file, so that runs on the same skulls fit them once."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np

from fields.first_estimate import FirstEstimate
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

FORMAT = "s2f first estimate 1"


def write_first_estimate(path: Path, first: FirstEstimate) -> None:
    """Keep the constants in a file, which appears whole or not at all."""
    arrays = {field.name: np.asarray(getattr(first, field.name)) for field in dataclasses.fields(first)}
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, format=np.array(FORMAT), **arrays)  # type: ignore[arg-type]


def read_first_estimate(path: Path) -> FirstEstimate | None:
    """The constants in a file, or None where there is none. Raises `InputError` when the file cannot be read."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                return None
            return FirstEstimate(**{field.name: file[field.name] for field in dataclasses.fields(FirstEstimate)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path}: damaged; remove it, and it is made again") from None

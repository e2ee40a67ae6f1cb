"""The first estimate's constants as a file, so that runs on the same skulls fit them once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from fields.first_estimate import FirstEstimate
from flame_jax.kept_arrays import keep_arrays, read_kept

FORMAT = "s2f first estimate 1"


def write_first_estimate(path: Path, first: FirstEstimate) -> None:
    """Keep the constants in a file, which appears whole or not at all."""
    arrays = {field.name: np.asarray(getattr(first, field.name)) for field in dataclasses.fields(first)}
    keep_arrays(path, arrays, format=FORMAT)


def read_first_estimate(path: Path) -> FirstEstimate | None:
    """The constants in a file, or None where there is none. Raises `InputError` when the file cannot be read."""
    arrays = read_kept(path, [field.name for field in dataclasses.fields(FirstEstimate)], format=FORMAT)
    return None if arrays is None else FirstEstimate(**arrays)

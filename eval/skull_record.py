"""What `s2f reconstruct`, or `s2f synthesize`, recorded of a skull, as far as a comparison needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data.json_file import numbers, read_json_object
from flame_jax.errors import InputError

_SCALE_TOLERANCE = 1e-3
"""Relative difference up to which the transform's three scales and the unit count as the same."""
_REMEDY = "give the .json that `s2f reconstruct` wrote beside the face, or a pair's record.json"


@dataclasses.dataclass(frozen=True)
class SkullRecord:
    """A skull's frame, unit and landmarks."""

    source: str
    """Name of the file, for messages."""
    T_head_input: Float[np.ndarray, "4 4"]
    """Input coordinates (input unit) to the head frame (mm); turns, moves and changes the unit, nothing else."""
    mm_per_unit: float
    """Length of the input's unit."""
    landmarks: Mapping[str, Float[np.ndarray, "3"]]
    """Positions in the head frame, mm, by the keys of `data.landmarks`."""


def read_skull_record(path: Path) -> SkullRecord:
    """Read "T_head_input" (4×4), "mm_per_unit" and "landmarks_head_mm" ({key: [x, y, z]}) from a JSON file.

    In the record of a synthetic pair, "T_head_input" has the true transform beside the aligner's; the true one is read.

    Raises `InputError` when the file is absent, is no such record, or its transform changes size or mirrors: distances
    taken after it would not be the input's millimetres.
    """
    content = read_json_object(path, _REMEDY)
    missing = [key for key in ("T_head_input", "mm_per_unit", "landmarks_head_mm") if key not in content]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; {_REMEDY}")
    placed = content["T_head_input"]
    transform = numbers(path, placed.get("true") if isinstance(placed, dict) else placed, (4, 4), "T_head_input")
    mm_per_unit = float(numbers(path, content["mm_per_unit"], (), "mm_per_unit"))
    if not isinstance(content["landmarks_head_mm"], dict):
        raise InputError(f"{path}: landmarks_head_mm is not a table of names and positions; {_REMEDY}")
    landmarks = {
        str(key): numbers(path, value, (3,), f"landmark {key}") for key, value in content["landmarks_head_mm"].items()
    }
    if not (mm_per_unit > 0.0 and _is_rigid(transform, mm_per_unit)):
        raise InputError(f"{path}: T_head_input does not turn, move and scale by mm_per_unit alone; {_REMEDY}")
    return SkullRecord(str(path), transform, mm_per_unit, landmarks)


def _is_rigid(transform: np.ndarray, scale: float) -> bool:
    """Whether a 4×4 is a rotation times `scale`, and a move."""
    rotation = transform[:3, :3] / scale
    orthonormal = np.allclose(rotation @ rotation.T, np.eye(3), rtol=0.0, atol=2.0 * _SCALE_TOLERANCE)
    return bool(orthonormal and np.linalg.det(rotation) > 0.0 and np.allclose(transform[3], [0.0, 0.0, 0.0, 1.0]))

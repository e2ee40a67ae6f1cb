"""Landmarks that a user placed: a JSON file of names and positions."""

from __future__ import annotations

import difflib
from pathlib import Path

from data.landmarks import ALL_KEYS
from eval.skull_record import numbers, read_json_object
from flame_jax.errors import InputError

_REMEDY = 'give a JSON file such as {"n": [x, y, z], "zy_l": [x, y, z]}, in the skull\'s own frame and unit'


def read_landmarks(path: Path) -> dict[str, list[float]]:
    """Positions by the keys of `data.landmarks` ("n", "zy_l", …), in the frame and unit of the skull they belong to.

    Raises InputError when the file is absent or is not JSON, or when a name is unknown or a position is not three
    finite numbers.
    """
    content = read_json_object(path, _REMEDY)
    if not content:
        raise InputError(f"{path}: holds no landmarks; {_REMEDY}")
    for key in content:
        if key not in ALL_KEYS:
            near = difflib.get_close_matches(key, ALL_KEYS, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else "data/landmarks.py lists the names"
            raise InputError(f"{path}: no landmark is named '{key}'; {hint}")
    return {key: numbers(path, value, (3,), f"landmark {key}").tolist() for key, value in content.items()}

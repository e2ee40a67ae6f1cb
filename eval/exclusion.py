"""Parts of a scan that are not scored: cut, streaked or tube-covered areas, given in a file beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from data.json_file import numbers, read_json_object
from flame_jax.errors import InputError

_KEYS = ("boxes_mm", "spheres_mm", "half_spaces_mm")
_REMEDY = f"a mask holds lists named {', '.join(_KEYS)}"


@dataclasses.dataclass(frozen=True)
class Exclusion:
    """Solids in the input's frame, in mm (the input's coordinates times its unit)."""

    boxes: tuple[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]], ...] = ()
    """Least and greatest corner."""
    spheres: tuple[tuple[Float[np.ndarray, "3"], float], ...] = ()
    """Centre and radius."""
    half_spaces: tuple[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]], ...] = ()
    """A point of the plane and the direction to the excluded side."""

    def holds(self, points_input_mm: Float[np.ndarray, "points 3"]) -> Bool[np.ndarray, " points"]:
        """Which points lie in any of the solids."""
        inside = np.zeros(len(points_input_mm), dtype=bool)
        for low, high in self.boxes:
            inside |= ((points_input_mm >= low) & (points_input_mm <= high)).all(axis=1)
        for centre, radius in self.spheres:
            inside |= np.linalg.norm(points_input_mm - centre, axis=1) <= radius
        for point, direction in self.half_spaces:
            inside |= (points_input_mm - point) @ direction >= 0.0
        return inside


def read_exclusion(path: Path) -> Exclusion:
    """Read a mask, JSON in the input's frame and mm:

        {"boxes_mm": [[[x, y, z], [x, y, z]]],
         "spheres_mm": [{"centre": [x, y, z], "radius": r}],
         "half_spaces_mm": [{"point": [x, y, z], "direction": [x, y, z]}]}

    Raises `InputError` when the file is absent or anything else.
    """
    content = read_json_object(path, _REMEDY)
    unknown = [key for key in content if key not in _KEYS]
    if unknown:
        raise InputError(f"{path}: {', '.join(unknown)} is unknown; {_REMEDY}")
    boxes = [numbers(path, entry, (2, 3), "a box") for entry in _list(path, content, "boxes_mm")]
    return Exclusion(
        tuple((box.min(axis=0), box.max(axis=0)) for box in boxes),
        tuple(
            (_entry(path, sphere, "centre", (3,)), float(_entry(path, sphere, "radius", ())))
            for sphere in _list(path, content, "spheres_mm")
        ),
        tuple(
            (_entry(path, half_space, "point", (3,)), _entry(path, half_space, "direction", (3,)))
            for half_space in _list(path, content, "half_spaces_mm")
        ),
    )


def _list(path: Path, content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"{path}: {key} is not a list; {_REMEDY}")
    return value


def _entry(path: Path, solid: Any, key: str, shape: tuple[int, ...]) -> np.ndarray:
    return numbers(path, solid.get(key) if isinstance(solid, dict) else None, shape, f"a solid's {key}")

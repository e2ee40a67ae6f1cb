"""Points of a scan by number, such as a landmark detector gives: .npy, or JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from flame_jax.errors import InputError

COUNTS = {51: "iBUG's inner points", 68: "iBUG's points", 105: "the points of FLAME's MediaPipe embedding"}
"""How many points there may be, which tells what they are."""
_REMEDY = (
    "give 51 or 68 points in iBUG's order, or 105 in MediaPipe's, as .npy of that many x 3, or as JSON "
    '[[x, y, z], null, …] or {"points": …}, in the scan\'s own frame and unit'
)
_LARGEST_FILE = 1 << 24
"""Bytes: a list of a hundred points is no larger."""


def read_points(path: Path) -> Float[np.ndarray, "points 3"]:
    """51, 68 or 105 points in the order of the file, in its own unit; a missing one is three not-a-numbers.

    Missing are points with a number that is NaN, or that JSON gives as null. Nothing in a file is ever run.

    Raises:
        InputError: No such file, another kind or number of points, or an infinite number.
    """
    if path.suffix.lower() not in (".npy", ".json"):
        raise InputError(f"{path}: unknown kind of landmarks '{path.suffix}'; {_REMEDY}")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path}: is too large for a list of landmarks; {_REMEDY}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    points = _of_npy(path, content) if path.suffix.lower() == ".npy" else _of_json(path, content)
    return checked_points(points, source=str(path))


def checked_points(points: Float[np.ndarray, "*any"], *, source: str) -> Float[np.ndarray, "points 3"]:
    """Points as `read_points` gives them, from an array.

    Raises:
        InputError: Not 51, 68 or 105 points of three numbers, or an infinite number.
    """
    if points.ndim != 2 or points.shape[1] != 3 or len(points) not in COUNTS:
        size = " x ".join(map(str, points.shape)) or "one number"
        raise InputError(f"{source}: its landmarks are {size}; {_REMEDY}")
    if np.isinf(points).any():
        raise InputError(f"{source}: has landmarks with infinite numbers; give null or NaN for a missing one")
    return np.where(np.isnan(points).any(axis=1, keepdims=True), np.nan, points.astype(np.float64))


def _of_npy(path: Path, content: bytes) -> np.ndarray:
    try:
        points = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:
        # numpy raises several types on damaged bytes; to the user they are one.
        raise InputError(f"{path}: is no array of numbers, or damaged; {_REMEDY}") from error
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        raise InputError(f"{path}: is no array of numbers; {_REMEDY}")
    return points.astype(np.float64)


def _of_json(path: Path, content: bytes) -> np.ndarray:
    try:
        tree: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON; {_REMEDY}") from error
    if isinstance(tree, dict):
        tree = tree.get("points")
    if not isinstance(tree, list):
        raise InputError(f"{path}: has no list of points; {_REMEDY}")
    rows = []
    for number, point in enumerate(tree):
        point = [None] * 3 if point is None else point
        if not isinstance(point, list) or len(point) != 3 or not all(map(_is_number, point)):
            raise InputError(f"{path}: point {number} is not three numbers or null; {_REMEDY}")
        rows.append([np.nan if value is None else _float(value) for value in point])
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")

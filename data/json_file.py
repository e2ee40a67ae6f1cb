"""JSON files that a user may have written or changed: an object of checked entries, or one line that says what is
wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from flame_jax.errors import InputError


def read_json_object(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON file whose top level is an object, or `InputError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not JSON; {remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not a JSON object; {remedy}")
    return content


def numbers(path: Path, value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Finite numbers of a shape, or `InputError` that names the file and the entry."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        wanted = "a number" if shape == () else f"{'×'.join(map(str, shape))} numbers"
        raise InputError(f"{path}: {name} is not {wanted}; correct it in the file")
    return array

"""What is known of a pair besides its surfaces: `record.json`."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data.json_file import numbers, read_json_object
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

FORMAT = "s2f pair 1"
GENERATORS = ("train", "test")
_RIGID_TOLERANCE = 1e-5
_REMEDY = "correct it, or remove it and the skull is aligned without"


@dataclasses.dataclass(frozen=True)
class PairRecord:
    """What is known of a pair. Whoever made it need not know everything."""

    case: int | None = None
    """Number of the case in its cohort."""
    seed: int | None = None
    """Of its cohort."""
    generator: str | None = None
    """Which of `GENERATORS` made it; None for a real one."""
    T_head_input_true: Float[np.ndarray, "4 4"] | None = None
    """Rigid: coordinates of the pair's files (mm) to the head frame, as the pair was made."""
    T_head_input_aligned: Float[np.ndarray, "4 4"] | None = None
    """The same with the errors of our aligner: what a network is to see."""
    fullness: float | None = None
    """Of the face, in standard deviations."""
    betas: Float[np.ndarray, " identities"] | None = None
    """Coefficients of the head model."""
    head_model: str | None = None
    """Name of the head model that `betas` belong to."""
    depths: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Tissue depths at landmarks, mm."""


def read_record(path: Path) -> PairRecord:
    """Read a record; entries that it has no place for are left out.

    Raises `InputError` when the file is absent or no JSON object, is of another format, or an entry has the wrong type
    or shape, is not finite, or a transform is not rigid.
    """
    content = read_json_object(path, _REMEDY)
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: format {content.get('format')!r} is not '{FORMAT}'; {_REMEDY}")
    generator = content.get("generator")
    if generator is not None and generator not in GENERATORS:
        raise InputError(f"{path}: generator is none of {', '.join(GENERATORS)}; {_REMEDY}")
    head_model = content.get("head_model")
    if head_model is not None and not isinstance(head_model, str):
        raise InputError(f"{path}: head_model is not a name; {_REMEDY}")
    transforms = _table(path, content, "T_head_input")
    if transforms and "aligned" not in transforms:
        raise InputError(f"{path}: T_head_input has no 'aligned'; {_REMEDY}")
    betas, fullness = content.get("betas"), content.get("fullness")
    if betas is not None and not isinstance(betas, list):
        raise InputError(f"{path}: betas is not a list of numbers; {_REMEDY}")
    return PairRecord(
        case=_whole(path, content, "case"),
        seed=_whole(path, content, "seed"),
        generator=generator,
        T_head_input_true=_rigid(path, transforms, "true"),
        T_head_input_aligned=_rigid(path, transforms, "aligned"),
        fullness=None if fullness is None else float(numbers(path, fullness, (), "fullness")),
        betas=None if betas is None else numbers(path, betas, (len(betas),), "betas"),
        head_model=head_model,
        depths={
            name: float(numbers(path, depth, (), f"depth {name}"))
            for name, depth in _table(path, content, "depths").items()
        },
    )


def write_record(path: Path, record: PairRecord, *, more: Mapping[str, Any] = types.MappingProxyType({})) -> None:
    """Write a record, and what else its maker wants to keep with it.

    Raises `InputError` when the place cannot be written, and `ValueError` for numbers that are not finite.
    """
    transforms = {"true": record.T_head_input_true, "aligned": record.T_head_input_aligned}
    content = {
        "format": FORMAT,
        "case": record.case,
        "seed": record.seed,
        "generator": record.generator,
        "T_head_input": {name: T.tolist() for name, T in transforms.items() if T is not None},
        "fullness": record.fullness,
        "betas": None if record.betas is None else record.betas.tolist(),
        "head_model": record.head_model,
        "depths": dict(record.depths),
    }
    text = json.dumps({**more, **content}, indent=1, allow_nan=False)
    with whole_file(path) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")


def rigid_transform(path: Path, value: Any, name: str) -> Float[np.ndarray, "4 4"]:
    """A rigid 4×4, or `InputError` that names the file and the entry."""
    transform = numbers(path, value, (4, 4), name)
    rotation = transform[:3, :3]
    orthonormal = np.allclose(rotation @ rotation.T, np.eye(3), rtol=0.0, atol=_RIGID_TOLERANCE)
    if not (orthonormal and np.linalg.det(rotation) > 0.0 and np.allclose(transform[3], [0.0, 0.0, 0.0, 1.0])):
        raise InputError(f"{path}: {name} does not turn and move alone; correct it in the file")
    return transform


def _rigid(path: Path, transforms: Mapping[str, Any], name: str) -> np.ndarray | None:
    if transforms.get(name) is None:
        return None
    return rigid_transform(path, transforms[name], f"T_head_input {name}")


def _table(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: {name} is not a table of names and values; {_REMEDY}")
    return value


def _whole(path: Path, content: Mapping[str, Any], name: str) -> int | None:
    value = content.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(f"{path}: {name} is not a whole number; {_REMEDY}")
    return value

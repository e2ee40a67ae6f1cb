"""Head model files: FLAME's own pickles of every year, `.npz`, and ICT-FaceKit. Nothing in a file is ever run.

The names of smplx's buffers (`lbs_weights`, `parents`, `expr_dirs` and so on) are known besides those of FLAME's
pickles, because many re-exports are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flame_jax.errors import InputError
from flame_jax.ict_facekit import (
    FACEKIT_ARRAYS,
    FACEKIT_OPTIONAL_ARRAYS,
    facekit_parts,
    is_facekit,
    read_facekit_folder,
)
from flame_jax.model import HeadModel
from flame_jax.model_parts import check_parts
from flame_jax.pickled_arrays import admitted, array_of, dictionary_of, trees_of_npz
from flame_jax.safe_pickle import UnreadablePickleError, naming, read_pickle
from flame_jax.whole_file import whole_file

_FULL_COMPONENTS = 400
_FULL_IDENTITIES = 300
"""FLAME keeps 300 identity and then 100 expression components in one array `shapedirs`."""

_LENGTH_RANGE_M = (0.05, 1.5)
"""Largest extent of what can be a head with neck and shoulders."""

_FLOAT_KEYS = {
    "v_template": ("v_template",),
    "shapedirs": ("shapedirs",),
    "exprdirs": ("exprdirs", "expr_dirs", "expressiondirs"),
    "posedirs": ("posedirs",),
    "j_regressor": ("j_regressor", "J_regressor"),
    "lbs_weights": ("lbs_weights", "weights"),
    "lmk_b_coords": ("lmk_b_coords", "lmk_bary_coords"),
    "uv": ("uv", "vt"),
}
_INDEX_KEYS = {
    "faces": ("faces", "f", "faces_tensor"),
    "kintree_parents": ("kintree_parents", "kintree_table", "parents"),
    "lmk_face_idx": ("lmk_face_idx", "lmk_faces_idx"),
    "landmark_indices": ("landmark_indices",),
    "materials": ("materials",),
    "uv_faces": ("uv_faces", "ft"),
}
_TEXT_KEYS = ("name", "credit")
_NAMES_KEYS = ("expression_names", "material_names")
_SPELLINGS: dict[str, tuple[str, ...]] = (
    _FLOAT_KEYS | _INDEX_KEYS | {key: (key,) for key in (*_TEXT_KEYS, *_NAMES_KEYS, "metres_per_unit")}
)
_WANTED = frozenset([*sum(_SPELLINGS.values(), ()), *FACEKIT_ARRAYS, *FACEKIT_OPTIONAL_ARRAYS])
_REMEDY = (
    "give FLAME's own .pkl, an .npz with v_template, shapedirs and faces, or ICT-FaceKit's folder FaceXModel or .npz"
)


def read_head_model(
    path: Path | str,
    *,
    identities: int | None = None,
    metres_per_unit: float | None = None,
    dtype: type[np.floating] = np.float32,
) -> HeadModel:
    """Read a head model, whatever its format is; parts that the file does not have are None.

    Args:
        path: FLAME's pickle (2017 to 2023: of Python 2 or 3, with or without chumpy), an `.npz`, or ICT-FaceKit's
            folder of OBJ files.
        identities: How many of the components in `shapedirs` are identity; the others are expressions. By default
            all are, except that 400 are FLAME's 300 + 100. Only for files that keep both in one array.
        metres_per_unit: The file's unit of length. By default what the file says, else metres as in FLAME and
            centimetres in ICT-FaceKit.
        dtype: Type of the model's real numbers.

    Raises:
        InputError: No such file, damaged, not a head model, or more in it than data; one line with the remedy.
    """
    path = Path(path)
    try:
        parts = _read_parts(path)
        return _assembled(parts, path.stem, identities, metres_per_unit, dtype)
    except UnreadablePickleError as error:
        raise InputError(f"{path}: {_one_line(error)}; nothing was run; {_REMEDY}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or _one_line(error)}); {_REMEDY}") from error
    except Exception as error:
        # zipfile, zlib and numpy raise a dozen types on damaged bytes; to the user they are one.
        raise InputError(f"{path}: not a head model, or damaged ({_one_line(error)}); {_REMEDY}") from error


def write_head_model(path: Path | str, model: HeadModel) -> None:
    """Write a model as `.npz` under the names of its fields, so that reading it gives the same model.

    Raises:
        InputError: `path` is not named `.npz`, or cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path}: head models are written as .npz; name the file so")
    content: dict[str, Any] = {
        key: np.asarray(getattr(model, key))
        for key in (*_FLOAT_KEYS, *_INDEX_KEYS, *_TEXT_KEYS)
        if getattr(model, key) is not None
    } | {key: np.asarray(getattr(model, key)) for key in _NAMES_KEYS if getattr(model, key)}
    with whole_file(path) as unfinished:
        np.savez(unfinished, metres_per_unit=np.float64(model.metres_per_unit), **content)


def _read_parts(path: Path) -> dict[str, np.ndarray]:
    if path.is_dir():
        return facekit_parts(read_facekit_folder(path))
    content = path.read_bytes()
    if not content:
        raise ValueError("it is empty")
    tree: Mapping[Any, object]
    if content.startswith(b"PK\x03\x04"):
        tree = trees_of_npz(content, _WANTED)
        if is_facekit(tree) and "v_template" not in tree:
            return facekit_parts(_arrays(tree, {key: key for key in tree}))
    else:
        tree = dictionary_of(read_pickle(content, admitted))
    found = {
        field: next((spelling for spelling in spellings if spelling in tree), None)
        for field, spellings in _SPELLINGS.items()
    }
    return _arrays(tree, {field: spelling for field, spelling in found.items() if spelling is not None})


def _arrays(tree: Mapping[Any, object], spellings: Mapping[str, str]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for field, spelling in spellings.items():
        with naming(spelling):
            node = tree[spelling]
            if field in _TEXT_KEYS and isinstance(node, str):
                node = np.asarray(node)
            found[field] = array_of(node)
    return found


def _assembled(
    parts: Mapping[str, np.ndarray],
    stem: str,
    identities: int | None,
    metres_per_unit: float | None,
    dtype: type[np.floating],
) -> HeadModel:
    missing = [key for key in ("v_template", "shapedirs", "faces") if key not in parts]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    fields: dict[str, Any] = {key: _reals(key, parts[key], dtype) for key in _FLOAT_KEYS if key in parts}
    fields |= {key: _indices(key, parts[key]) for key in _INDEX_KEYS if key in parts}
    fields |= {key: _names(key, parts[key]) for key in _NAMES_KEYS if key in parts}
    if "posedirs" in fields and fields["posedirs"].ndim == 2:
        # smplx keeps a row of 3 V numbers per corrective.
        rows = fields["posedirs"]
        fields["posedirs"] = np.ascontiguousarray(rows.T.reshape(-1, 3, len(rows)))
    components = fields["shapedirs"].shape[-1] if fields["shapedirs"].ndim == 3 else 0
    if identities is None and components == _FULL_COMPONENTS:
        identities = _FULL_IDENTITIES
    if identities is not None and "exprdirs" not in fields and components:
        if not 0 < identities <= components:
            raise ValueError(f"it has {components} components, so {identities} of them cannot be identity")
        if identities < components:
            fields["exprdirs"] = np.ascontiguousarray(fields["shapedirs"][:, :, identities:])
            fields["shapedirs"] = np.ascontiguousarray(fields["shapedirs"][:, :, :identities])
    elif identities not in (None, components):
        raise ValueError(f"it keeps {components} identity components apart from expressions, not {identities}")
    if "uv" in fields and "uv_faces" not in fields:
        # One per vertex needs no table; without it others say nothing.
        whole = fields["uv"].ndim == 2 and len(fields["uv"]) == len(fields["v_template"])
        fields |= {"uv_faces": fields["faces"]} if whole else {"uv": None}
    if metres_per_unit is None:
        metres_per_unit = float(parts["metres_per_unit"]) if "metres_per_unit" in parts else 1.0
    check_parts(fields)
    fields |= {"name": stem} | {key: _text(key, parts[key]) for key in _TEXT_KEYS if key in parts}
    model = HeadModel(**fields, metres_per_unit=metres_per_unit)
    extent = float(np.ptp(model.v_template, axis=0).max()) * metres_per_unit
    if not _LENGTH_RANGE_M[0] <= extent <= _LENGTH_RANGE_M[1]:
        raise ValueError(f"its head would be {extent:.3g} m long; its unit is not {metres_per_unit:g} m")
    return model


def _reals(key: str, array: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{key} is not an array of numbers")
    with np.errstate(over="ignore"):
        # What overflows becomes infinite, which the model refuses.
        return np.ascontiguousarray(array, dtype=dtype)


def _indices(key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and not (array == np.rint(array)).all()):
        raise ValueError(f"{key} is not an array of indices")
    if key == "kintree_parents":
        # FLAME's table has the parents in its first row and writes the root's as 2**32 - 1.
        array = array[0] if array.ndim == 2 and len(array) else array
        array = np.where(array.astype(np.float64) == 2**32 - 1, -1, array.astype(np.int64))
    if array.size and np.abs(array.astype(np.float64)).max() > np.iinfo(np.int32).max:
        raise ValueError(f"{key} has indices out of range")
    return np.ascontiguousarray(array, dtype=np.int32)


def _names(key: str, array: np.ndarray) -> tuple[str, ...]:
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError(f"{key} is not a list of names")
    return tuple(str(name) for name in array)


def _text(key: str, array: np.ndarray) -> str:
    if array.dtype.kind != "U" or array.ndim != 0:
        raise ValueError(f"{key} is not a text")
    return str(array)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__

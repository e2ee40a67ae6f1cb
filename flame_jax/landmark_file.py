"""Landmark embedding files: every form in which FLAME's have been published. Nothing in a file is ever run.

`flame_static_embedding.pkl` is a pickled dictionary, `flame_dynamic_embedding.npy` one in an array of numpy. RingNet's
and DECA's `landmark_embedding.npy` has everything but MediaPipe's, some of it as tensors of torch, which is not needed.
`mediapipe_landmark_embedding.npz` has plain arrays. The first, second and fourth use the same names for different
things; how many landmarks there are tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flame_jax.errors import InputError
from flame_jax.landmark_embedding import (
    CONTOUR_COUNT,
    FULL_COUNT,
    INNER_COUNT,
    ContourEmbedding,
    LandmarkEmbedding,
    LandmarkEmbeddings,
    check_contour,
    check_landmarks,
)
from flame_jax.pickled_arrays import admitted, array_of, dictionary_of, tree_of_npy, trees_of_npz
from flame_jax.safe_pickle import UnreadablePickleError, naming, read_pickle
from flame_jax.whole_file import whole_file

_ONE_SET = ("lmk_face_idx", "lmk_b_coords")
_INDICES = "landmark_indices"
_SETS = {
    "static": ("static_lmk_faces_idx", "static_lmk_bary_coords"),
    "contour": ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords"),
    "full": ("full_lmk_faces_idx", "full_lmk_bary_coords"),
    "mediapipe": _ONE_SET,
}
"""Names of the triangles and of the barycentric coordinates in `landmark_embedding.npy`, and what is written."""
_MEDIAPIPE_COUNT = 105
_COUNTS = {"static": INNER_COUNT, "contour": CONTOUR_COUNT, "full": FULL_COUNT}
_WANTED = frozenset([*sum(_SETS.values(), ()), _INDICES])
_LARGEST_INDEX = np.iinfo(np.int32).max
_REMEDY = (
    "give FLAME's flame_static_embedding.pkl, flame_dynamic_embedding.npy, landmark_embedding.npy "
    "or mediapipe_landmark_embedding.npz"
)


def read_landmark_embeddings(*paths: Path | str) -> LandmarkEmbeddings:
    """Read landmark embeddings, whatever the format of each file is; sets that no file has are None.

    Args:
        paths: One file, or several that complete each other. A head model's `.npz` may be one of them.

    Raises:
        InputError: No such file, damaged, no embedding, more in it than data, or a set that two of them have.
    """
    found: dict[str, LandmarkEmbedding | ContourEmbedding] = {}
    for path in map(Path, paths):
        for key, embedding in _read(path).items():
            if key in found:
                raise InputError(f"{path}: it has {key} landmarks, as a file before it; give one of them")
            found[key] = embedding
    return LandmarkEmbeddings(**found)  # type: ignore[arg-type]


def write_landmark_embeddings(path: Path | str, embeddings: LandmarkEmbeddings) -> None:
    """Write embeddings as one `.npz` of plain arrays, so that reading it gives the same ones.

    Raises:
        InputError: `path` is not named `.npz`, cannot be written, or there is nothing to write.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path}: landmark embeddings are written as .npz; name the file so")
    content: dict[str, Any] = {}
    for key, (faces_name, coordinates_name) in _SETS.items():
        embedding = getattr(embeddings, key)
        if embedding is not None:
            content |= {faces_name: embedding.face_idx, coordinates_name: embedding.b_coords}
    if not content:
        raise InputError(f"{path}: there are no landmarks to write; read or make some first")
    if embeddings.mediapipe is not None and embeddings.mediapipe.landmark_indices is not None:
        content[_INDICES] = embeddings.mediapipe.landmark_indices
    with whole_file(path) as unfinished:
        np.savez(unfinished, **content)


def _read(path: Path) -> dict[str, LandmarkEmbedding | ContourEmbedding]:
    try:
        return _embeddings(_tree(path.read_bytes()), path.stem)
    except UnreadablePickleError as error:
        raise InputError(f"{path}: {_one_line(error)}; nothing was run; {_REMEDY}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or _one_line(error)}); {_REMEDY}") from error
    except Exception as error:
        # zipfile, zlib and numpy raise a dozen types on damaged bytes; to the user they are one.
        raise InputError(f"{path}: not a landmark embedding, or damaged ({_one_line(error)}); {_REMEDY}") from error


def _tree(content: bytes) -> Mapping[Any, object]:
    if not content:
        raise ValueError("it is empty")
    if content.startswith(b"PK\x03\x04"):
        return trees_of_npz(content, _WANTED)
    if content.startswith(b"\x93NUMPY"):
        return dictionary_of(tree_of_npy(content))
    return dictionary_of(read_pickle(content, admitted))


def _embeddings(tree: Mapping[Any, object], stem: str) -> dict[str, LandmarkEmbedding | ContourEmbedding]:
    found: dict[str, LandmarkEmbedding | ContourEmbedding] = {}
    for key, names in _SETS.items():
        if not any(name in tree for name in names):
            continue
        missing = [name for name in names if name not in tree]
        if missing:
            raise ValueError(f"it has no {missing[0]}")
        face_idx, b_coords = _indices(tree, names[0]), _reals(tree, names[1])
        indices = None
        if names == _ONE_SET:
            indices = _indices(tree, _INDICES) if _INDICES in tree else None
            key = _kind(face_idx, indices)
        if key in found:
            raise ValueError(f"it has {key} landmarks twice")
        with naming(names[0]):
            if face_idx.shape[-1] != _COUNTS.get(key, face_idx.shape[-1]):
                raise ValueError(f"{face_idx.shape[-1]} landmarks, not {_COUNTS[key]}")
            if key == "contour":
                check_contour(face_idx, b_coords)
                found[key] = ContourEmbedding(face_idx, b_coords, name=stem)
            else:
                # DECA's 68 have a batch dimension.
                face_idx, b_coords = _without_batch(face_idx, 1), _without_batch(b_coords, 2)
                check_landmarks(face_idx, b_coords, indices)
                found[key] = LandmarkEmbedding(face_idx, b_coords, indices, name=stem)
    if not found:
        raise ValueError("it has no landmarks")
    return found


def _kind(face_idx: np.ndarray, indices: np.ndarray | None) -> str:
    count = face_idx.shape[-1]
    if face_idx.ndim == 2 and len(face_idx) > 1:
        return "contour"
    if indices is not None or count == _MEDIAPIPE_COUNT:
        return "mediapipe"
    kind = {INNER_COUNT: "static", FULL_COUNT: "full"}.get(count)
    if kind is None:
        raise ValueError(f"it does not say which {count} landmarks it has")
    return kind


def _without_batch(array: np.ndarray, ndim: int) -> np.ndarray:
    return array[0] if array.ndim == ndim + 1 and len(array) == 1 else array


def _indices(tree: Mapping[Any, object], name: str) -> np.ndarray:
    with naming(name):
        array = array_of(tree[name])
        if array.dtype.kind not in "iuf" or not array.size or not array.ndim:
            raise ValueError("it is not an array of indices")
        numbers = array.astype(np.float64)
        if not ((numbers == np.rint(numbers)) & (np.abs(numbers) <= _LARGEST_INDEX)).all():
            raise ValueError("it is not an array of indices")
        return np.ascontiguousarray(array, dtype=np.int32)


def _reals(tree: Mapping[Any, object], name: str) -> np.ndarray:
    with naming(name):
        array = array_of(tree[name])
        if array.dtype.kind not in "fiu":
            raise ValueError("it is not an array of numbers")
        with np.errstate(over="ignore", invalid="ignore"):
            # What overflows becomes infinite, which the embedding refuses.
            return np.ascontiguousarray(array, dtype=np.float32)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__

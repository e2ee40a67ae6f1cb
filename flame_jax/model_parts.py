"""What the parts of a head model must be to fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def check_parts(parts: Mapping[str, Any]) -> None:
    """Check the parts of a head model, by the names of `HeadModel`'s fields; absent ones are missing or None.

    Raises:
        ValueError: Shapes that do not fit, indices that point nowhere, or numbers that are not finite.
    """
    for key, shape in _shapes(parts).items():
        value = parts.get(key)
        if value is None:
            continue
        if value.ndim != len(shape) or any(
            want not in (None, got) for want, got in zip(shape, value.shape, strict=True)
        ):
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{key} is {' x '.join(map(str, value.shape)) or 'one number'}, not {wanted}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"{key} has numbers that are not finite")
    vertices, faces, uvs = (_length(parts, key) or 0 for key in ("v_template", "faces", "uv"))
    if vertices == 0 or faces == 0:
        raise ValueError("it has no vertices or no faces")
    _check_indices(parts, "faces", vertices)
    _check_indices(parts, "lmk_face_idx", faces)
    _check_indices(parts, "uv_faces", uvs)
    _check_names(parts)
    parents = parts.get("kintree_parents")
    if parents is not None and not _is_ordered_tree(parents):
        raise ValueError("kintree_parents is no tree with parents before their children")
    metres_per_unit = parts.get("metres_per_unit", 1.0)
    if not (np.isfinite(metres_per_unit) and metres_per_unit > 0):
        raise ValueError("metres_per_unit is not a positive number")


def _shapes(parts: Mapping[str, Any]) -> dict[str, tuple[int | None, ...]]:
    vertices, faces, joints, landmarks = (
        _length(parts, key) for key in ("v_template", "faces", "kintree_parents", "lmk_face_idx")
    )
    return {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, None),
        "faces": (faces, 3),
        "exprdirs": (vertices, 3, None),
        "posedirs": (vertices, 3, None if joints is None else 9 * (joints - 1)),
        "j_regressor": (joints, vertices),
        "kintree_parents": (joints,),
        "lbs_weights": (vertices, joints),
        "lmk_face_idx": (landmarks,),
        "lmk_b_coords": (landmarks, 3),
        "landmark_indices": (landmarks,),
        "materials": (faces,),
        "uv": (None, 2),
        "uv_faces": (faces, 3),
    }


def _length(parts: Mapping[str, Any], key: str) -> int | None:
    value = parts.get(key)
    return len(value) if value is not None and value.ndim else None


def _is_ordered_tree(parents: np.ndarray) -> bool:
    others = parents[1:]
    return len(parents) > 0 and parents[0] == -1 and bool(((others >= 0) & (others <= np.arange(len(others)))).all())


def _check_names(parts: Mapping[str, Any]) -> None:
    expressions, names = parts.get("exprdirs"), parts.get("expression_names", ())
    if names and len(names) != (0 if expressions is None else expressions.shape[2]):
        raise ValueError(f"expression_names has {len(names)} names, which is not one for each expression")
    _check_indices(parts, "materials", len(parts.get("material_names", ())))


def _check_indices(parts: Mapping[str, Any], key: str, count: int) -> None:
    indices = parts.get(key)
    if indices is not None and indices.size and (indices.min() < 0 or indices.max() >= count):
        raise ValueError(f"{key} points outside the {count} there are")

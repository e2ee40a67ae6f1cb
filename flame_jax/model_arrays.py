"""The arrays of a head model as its evaluation wants them: planes of x, y and z, one row per component."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from numpy.typing import DTypeLike

from flame_jax.errors import InputError
from flame_jax.model import Array, HeadModel

_JOINTS = 5
"""Root, neck, jaw, left and right eye."""


def model_arrays(
    model: HeadModel,
    identities: int | None,
    expressions: int | None,
    vertex_ids: Int[np.ndarray, " vertices"] | None,
    dtype: DTypeLike,
) -> dict[str, Any]:
    """What `Flame` is made of, by its fields; arguments and errors are those of `Flame.of`."""
    shapedirs = _first(model, "identity", model.shapedirs, identities)
    none = np.zeros((len(model.v_template), 3, 0), model.v_template.dtype)
    exprdirs = _first(model, "expression", none if model.exprdirs is None else model.exprdirs, expressions)
    kept = np.arange(len(model.v_template)) if vertex_ids is None else np.unique(vertex_ids)
    if not kept.size or kept[0] < 0 or kept[-1] >= len(model.v_template):
        raise InputError(f"head model {model.name!r} has vertices 0 to {len(model.v_template) - 1}, not those asked")
    place = np.full(len(model.v_template), -1)
    place[kept] = np.arange(len(kept))
    faces = place[model.faces]
    faces = faces[(faces >= 0).all(axis=1)].astype(np.int32)
    components = jnp.dtype(dtype)
    real = np.float32 if components == jnp.bfloat16 else components

    def planes(array: np.ndarray) -> Array:
        return np.ascontiguousarray(np.moveaxis(array[kept], 0, -1), dtype=real)

    def rows(array: np.ndarray | None) -> Array:
        array = none if array is None else array
        flat = np.ascontiguousarray(array[kept].transpose(2, 1, 0).reshape(array.shape[2], 3 * len(kept)), dtype=real)
        return jnp.asarray(flat, components) if components == jnp.bfloat16 else flat

    has_joints = _has_joints(model)
    joints = len(model.kintree_parents) if has_joints else 1  # type: ignore[arg-type]
    if joints not in (1, _JOINTS):
        raise InputError(f"head model {model.name!r} has {joints} joints where FLAME has {_JOINTS}; give FLAME's file")
    regressor = model.j_regressor if has_joints else np.zeros((1, len(model.v_template)))
    weights = model.lbs_weights if has_joints else np.ones((len(model.v_template), 1))
    assert regressor is not None
    assert weights is not None
    return {
        "v_template": planes(model.v_template),
        "shapedirs": rows(shapedirs),
        "exprdirs": rows(exprdirs),
        "posedirs": rows(model.posedirs if has_joints else None),
        "j_template": (regressor @ model.v_template).astype(real),
        "j_shapedirs": np.einsum("jv,vdk->jdk", regressor, shapedirs, optimize=True).astype(real),
        "j_exprdirs": np.einsum("jv,vdk->jdk", regressor, exprdirs, optimize=True).astype(real),
        "lbs_weights": planes(weights),
        "faces": faces,
        "vertex_ids": kept.astype(np.int32),
        "parents": tuple(map(int, model.kintree_parents)) if has_joints else (-1,),  # type: ignore[arg-type]
        "whole": len(kept) == len(model.v_template),
        "metres_per_unit": model.metres_per_unit,
        "name": model.name,
    }


def _has_joints(model: HeadModel) -> bool:
    return model.j_regressor is not None and model.lbs_weights is not None and model.kintree_parents is not None


def _first(model: HeadModel, kind: str, dirs: np.ndarray, count: int | None) -> np.ndarray:
    available = dirs.shape[2]
    if count is not None and not 0 <= count <= available:
        raise InputError(
            f"head model {model.name!r} has {available} {kind} components, not {count}; ask for those it has"
        )
    return dirs[:, :, :count]

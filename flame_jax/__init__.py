"""FLAME in JAX: model files, forward pass, fitting. Imports nothing of the rest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flame_jax.errors import InputError
    from flame_jax.least_squares import Outcome, Solution, levenberg_marquardt
    from flame_jax.model import HeadModel, IdentityBasis, shape_points, shape_vertices, surface_basis, vertex_basis
    from flame_jax.model_file import read_head_model, write_head_model
    from flame_jax.robust import geman_mcclure, huber
    from flame_jax.rotations import axis_angle_to_matrix

_HOMES = {
    "HeadModel": "model",
    "IdentityBasis": "model",
    "InputError": "errors",
    "Outcome": "least_squares",
    "Solution": "least_squares",
    "axis_angle_to_matrix": "rotations",
    "geman_mcclure": "robust",
    "huber": "robust",
    "levenberg_marquardt": "least_squares",
    "read_head_model": "model_file",
    "shape_points": "model",
    "shape_vertices": "model",
    "surface_basis": "model",
    "vertex_basis": "model",
    "write_head_model": "model_file",
}

__all__ = [
    "HeadModel",
    "IdentityBasis",
    "InputError",
    "Outcome",
    "Solution",
    "axis_angle_to_matrix",
    "geman_mcclure",
    "huber",
    "levenberg_marquardt",
    "read_head_model",
    "shape_points",
    "shape_vertices",
    "surface_basis",
    "vertex_basis",
    "write_head_model",
]


def __getattr__(name: str) -> object:
    # Imported on first use (PEP 562), because `flame_jax.errors` is needed where starting JAX would be too slow.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

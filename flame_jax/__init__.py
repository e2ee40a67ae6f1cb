"""FLAME in JAX: model files, forward pass, fitting. Imports nothing of the rest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flame_jax.errors import InputError
    from flame_jax.fitting import Fit, Stage, fit, stages
    from flame_jax.flame import Flame, Posed, Shaped
    from flame_jax.landmark_embedding import (
        IBUG_GROUPS,
        ContourEmbedding,
        LandmarkEmbedding,
        LandmarkEmbeddings,
        turn_of,
    )
    from flame_jax.landmark_file import read_landmark_embeddings, write_landmark_embeddings
    from flame_jax.least_squares import Outcome, Solution, levenberg_marquardt
    from flame_jax.model import HeadModel, IdentityBasis, surface_basis
    from flame_jax.model_file import read_head_model, write_head_model
    from flame_jax.nearest_points import NearestIndex, nearest, nearest_index
    from flame_jax.parameters import Parameters, similarity
    from flame_jax.regions import RegionMasks, region_masks
    from flame_jax.residuals import Landmarks, Prior, SignedDistance, Term, TissueDepths
    from flame_jax.robust import geman_mcclure, huber
    from flame_jax.rotations import (
        axis_angle_to_matrix,
        matrix_to_axis_angle,
        matrix_to_six,
        rotation_matrix,
        six_to_matrix,
    )
    from flame_jax.scan import Scan, stack_scans
    from flame_jax.scan_residuals import HeadToScan, ScanToHead
    from flame_jax.unwrap import unwrapped

_HOMES = {
    "ContourEmbedding": "landmark_embedding",
    "Fit": "fitting",
    "Flame": "flame",
    "HeadModel": "model",
    "HeadToScan": "scan_residuals",
    "IBUG_GROUPS": "landmark_embedding",
    "IdentityBasis": "model",
    "InputError": "errors",
    "LandmarkEmbedding": "landmark_embedding",
    "LandmarkEmbeddings": "landmark_embedding",
    "Landmarks": "residuals",
    "NearestIndex": "nearest_points",
    "Outcome": "least_squares",
    "Parameters": "parameters",
    "Posed": "flame",
    "Prior": "residuals",
    "RegionMasks": "regions",
    "Scan": "scan",
    "ScanToHead": "scan_residuals",
    "Shaped": "flame",
    "SignedDistance": "residuals",
    "Solution": "least_squares",
    "Stage": "fitting",
    "Term": "residuals",
    "TissueDepths": "residuals",
    "axis_angle_to_matrix": "rotations",
    "fit": "fitting",
    "geman_mcclure": "robust",
    "huber": "robust",
    "levenberg_marquardt": "least_squares",
    "matrix_to_axis_angle": "rotations",
    "matrix_to_six": "rotations",
    "nearest": "nearest_points",
    "nearest_index": "nearest_points",
    "read_head_model": "model_file",
    "read_landmark_embeddings": "landmark_file",
    "region_masks": "regions",
    "rotation_matrix": "rotations",
    "similarity": "parameters",
    "six_to_matrix": "rotations",
    "stack_scans": "scan",
    "stages": "fitting",
    "surface_basis": "model",
    "turn_of": "landmark_embedding",
    "unwrapped": "unwrap",
    "write_head_model": "model_file",
    "write_landmark_embeddings": "landmark_file",
}

__all__ = [
    "IBUG_GROUPS",
    "ContourEmbedding",
    "Fit",
    "Flame",
    "HeadModel",
    "HeadToScan",
    "IdentityBasis",
    "InputError",
    "LandmarkEmbedding",
    "LandmarkEmbeddings",
    "Landmarks",
    "NearestIndex",
    "Outcome",
    "Parameters",
    "Posed",
    "Prior",
    "RegionMasks",
    "Scan",
    "ScanToHead",
    "Shaped",
    "SignedDistance",
    "Solution",
    "Stage",
    "Term",
    "TissueDepths",
    "axis_angle_to_matrix",
    "fit",
    "geman_mcclure",
    "huber",
    "levenberg_marquardt",
    "matrix_to_axis_angle",
    "matrix_to_six",
    "nearest",
    "nearest_index",
    "read_head_model",
    "read_landmark_embeddings",
    "region_masks",
    "rotation_matrix",
    "similarity",
    "six_to_matrix",
    "stack_scans",
    "stages",
    "surface_basis",
    "turn_of",
    "unwrapped",
    "write_head_model",
    "write_landmark_embeddings",
]


def __getattr__(name: str) -> object:
    # Imported on first use (PEP 562), because `flame_jax.errors` is needed where starting JAX would be too slow.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The record of the field's route: coefficients by FLAME's names, how sure each is, and what the field did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from data.align import Alignment
from fields.latent import OPENING_SCALE, POSE, SHIFT_SCALE_MM, TURN_SCALE, decoded
from flame_jax.least_squares import Outcome
from s2f.classic_face import rounded
from s2f.face_spread import spread_by_region
from s2f.field_face import RESOLUTION, FieldFace, FieldFaces
from s2f.field_file import TrainedField

_BARE = "bone comes through the skin by {:.0f} mm: the field could not explain this skull; look at the picture"
_UNREAD = "only {:.0%} of the skull was there and believed: the face follows the mean where there is nothing"
_LEAST_TRUST = 0.5
_BARE_MM = -2.0


def field_record(
    made: FieldFace, faces: FieldFaces, field: TrainedField, alignment: Alignment, head_name: str
) -> dict[str, Any]:
    """What is known of a face of `s2f.field_face`, JSON-able. `head_name` is that of the head that the field warps."""
    cover = least_cover(made, alignment)
    low, high = faces.box
    cells = np.ceil((high - low) / ((high - low).max() / RESOLUTION)) + 1.0
    record: dict[str, Any] = {
        "representation": made.representation,
        "route": "field: read from the bone's surface by a trained network",
        "head": {"model": head_name} | _head(made, faces),
        "field": {
            "file": field.path.name,
            "sha256": field.sha256,
            "temperature": round(field.model.temperature, 4),
            "told_fullness": made.fullness is not None,
            "skull_trusted": round(made.trust, 3),
            "evaluations": made.surface.asked,
            "evaluations_share": round(made.surface.asked / float(cells.prod()), 4),
            "vertices_on_surface": None if made.surface.met is None else round(made.surface.met, 3),
        },
        "uncertainty": {
            "what": "standard deviation along the normal, mm: at each vertex in the .sd.json beside the face, here the "
            "mean of each region and half of its 90 % interval; of the posterior that the network was trained to, "
            "whose temperature is from synthetic faces",
            "regions": spread_by_region(made.surface.mesh, made.sd_mm, alignment.bent_landmarks),
        },
        "least_skin_over_bone_mm": rounded(cover),
    }
    if faces.given is not None and made.surface.fitted is not None:
        fitted = made.surface.fitted
        record["fitted_head"] = {
            "model": faces.given.head.model.name,
            "betas": fitted.betas.tolist(),
            "betas_sd": fitted.sds.tolist(),
            "turn_rad": np.asarray(fitted.parameters.global_orient, np.float64).tolist(),
            "move_mm": np.asarray(fitted.parameters.transl, np.float64).tolist(),
            "mean_distance_mm": rounded(fitted.mean_mm),
            "solver": Outcome(fitted.code).name.lower(),
        }
    return record


def field_warnings(made: FieldFace, alignment: Alignment) -> list[str]:
    """What the reader should know before believing the face."""
    cover, warnings = least_cover(made, alignment), []
    if cover is not None and cover < _BARE_MM:
        warnings.append(_BARE.format(-cover))
    if made.trust < _LEAST_TRUST:
        warnings.append(_UNREAD.format(made.trust))
    return warnings


def least_cover(made: FieldFace, alignment: Alignment) -> float | None:
    """Least depth of exposed bone in front of the poria under the skin, mm; negative where it comes through."""
    front = alignment.bone_points[alignment.bone_points[:, 2] > 0.0]
    return -float(np.max(made.distances(front))) if len(front) else None


def _head(made: FieldFace, faces: FieldFaces) -> dict[str, Any]:
    """The posterior's mean and standard deviations in FLAME's terms."""
    coefficients = len(made.latent) - POSE
    own = coefficients - faces.model.config.residual_modes
    scales = np.r_[np.ones(coefficients), OPENING_SCALE, np.full(3, TURN_SCALE), np.full(3, SHIFT_SCALE_MM)]
    values, sds = (scales * np.asarray(array, np.float64) for array in (made.latent, made.latent_sd))
    parts: Mapping[str, slice] = {
        "betas": slice(0, own),
        "residual": slice(own, coefficients),
        "turn_rad": slice(-6, -3),
        "move_mm": slice(-3, None),
    }
    head: dict[str, Any] = {}
    for name, part in parts.items():
        head |= {name: _list(values[part]), f"{name}_sd": _list(sds[part])}
    if made.representation == "parametric":
        head["residual"] = [0.0] * (coefficients - own)
    pose = decoded(made.latent)
    return head | {
        "jaw_opening": round(float(pose.opening), 4),
        "jaw_opening_sd": round(float(sds[coefficients]), 4),
        "T_head_model": np.asarray(pose.T_skull_model, np.float64).tolist(),
    }


def _list(values: Float[np.ndarray, " values"]) -> list[float]:
    return np.round(values, 5).tolist()

"""What is known of a head fitted to a scan: distances, and the record in plain data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from data.registration import Oriented
from data.units import Unit
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.flame import JOINTS
from flame_jax.least_squares import Outcome
from flame_jax.model import HeadModel
from s2f.head_solving import SolvedHead
from s2f.scan_landmarks import ScanLandmarks

_POINTS = 20_000
_MATCHED_MM = 10.0
_FACING = 0.3
"""A point of the scan is matched if the nearest point of the head is so close and faces the same way (cosine)."""
_USUAL_MATCHED = 0.7
_USUAL_BETA = 4.0


@dataclasses.dataclass(frozen=True)
class ScanDistances:
    """Distances of points spread evenly over a scan from a head, mm."""

    every: Float[np.ndarray, " points"]
    """Of all points."""
    matched: Float[np.ndarray, " matched"]
    """Of those that have the head's surface near them, facing the same way: not hair, shoulders or a chair."""


def scan_distances(scan_mm: Mesh, head_mm: Mesh) -> ScanDistances:
    """Measure from the scan to the head; both in one frame, mm."""
    spread = Oriented.sampled(scan_mm, _POINTS)
    nearest = DistanceScene(head_mm).closest(spread.points)
    distance = np.linalg.norm(nearest.points - spread.points, axis=1)
    facing = np.einsum("pd,pd->p", head_mm.face_normals()[nearest.face_ids], spread.normals)
    return ScanDistances(distance, distance[(distance < _MATCHED_MM) & (facing > _FACING)])


def fit_record(
    model: HeadModel,
    solved: SolvedHead,
    unit: Unit,
    distances: ScanDistances,
    pairs: ScanLandmarks | None,
    starts: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    found = solved.fit.parameters
    parameters = {
        group: np.asarray(getattr(found, group), np.float64).tolist()
        for group in solved.groups
        if group not in ("transl", "log_scale")
    }
    parameters["transl"] = (np.asarray(found.transl, np.float64) + solved.centre).tolist()
    parameters["scale"] = float(np.exp(np.asarray(found.log_scale, np.float64)[0]))
    outcome = Outcome(int(solved.fit.code)).name
    betas = np.asarray(found.betas)
    warnings = [unit.sentence]
    share = len(distances.matched) / len(distances.every)
    if outcome != Outcome.CONVERGED.name:
        warnings.append(f"the fit ended as {outcome}, not CONVERGED")
    if share < _USUAL_MATCHED:
        warnings.append(f"{100 * (1 - share):.0f} % of the scan do not lie on the fitted head; look at the picture")
    if betas.size and np.abs(betas).max() > _USUAL_BETA:
        warnings.append(f"an identity coefficient is {np.abs(betas).max():.1f} standard deviations from the mean")
    if pairs is not None and pairs.first:
        warnings.append(f"the first {pairs.first} landmarks, the contour, were left out: the embedding lacks them")
    return {
        "what": "a head model fitted to a scan",
        "unit": unit.name,
        "mm_per_unit": unit.mm_per_unit,
        "model": {
            "name": model.name,
            "vertices": len(model.v_template),
            "identities": model.shapedirs.shape[2],
            "expressions": 0 if model.exprdirs is None else model.exprdirs.shape[2],
            "joints": list(JOINTS) if "neck_pose" in solved.groups else [],
        },
        "parameters": parameters,
        "parameters_mean": "scan coordinates = (scale * v + transl) / mm_per_unit, where v are the model's vertices "
        "in mm with identity, expression and pose; transl in mm, rotations axis-angle in radians",
        "fitted_groups": list(solved.fit.free),
        "betas_sd": np.asarray(solved.fit.sd("betas"), np.float64).tolist(),
        "betas_sd_mean": "from the scan's points as if their errors were independent: lower bounds",
        "T_scan_model": (np.diag([1 / unit.mm_per_unit] * 3 + [1.0]) @ solved.T_scan_model).tolist(),
        "T_scan_model_mean": "from the model's axes, mm, to the scan's frame and unit",
        "outcome": outcome,
        "cost": float(solved.fit.cost),
        "iterations": list(solved.iterations),
        "start": {"by": "registration" if pairs is None else "landmarks", "places_tried": starts},
        "distance_scan_to_head_mm": _distance_record(distances),
        "landmarks": None if pairs is None else _landmark_record(pairs, solved.vertices),
        "warnings": warnings,
        "timings_s": seconds,
        "credit": model.credit or f"Head model: {model.name}; see its own licence, which stays in force.",
    }


def _distance_record(distances: ScanDistances) -> dict[str, Any]:
    near = distances.matched
    record: dict[str, Any] = {
        "points": len(distances.every),
        "matched_share": round(len(near) / len(distances.every), 4),
        "matched_means": f"the nearest point of the head is within {_MATCHED_MM:g} mm and faces the same way",
        "median_of_all": round(float(np.median(distances.every)), 4),
    }
    if len(near):
        record |= {
            "mean": round(float(near.mean()), 4),
            "median": round(float(np.median(near)), 4),
            "percentile_95": round(float(np.percentile(near, 95)), 4),
            "share_within_1_mm": round(float((near < 1.0).mean()), 4),
            "share_within_2_mm": round(float((near < 2.0).mean()), 4),
        }
    return record


def _landmark_record(pairs: ScanLandmarks, vertices: np.ndarray) -> dict[str, Any]:
    gaps = np.linalg.norm(pairs.on(vertices) - pairs.points, axis=1)
    known = np.isfinite(gaps)
    return {
        "first": pairs.first,
        "used": int(known.sum()),
        "residual_mm": [round(float(gap), 3) if ok else None for gap, ok in zip(gaps, known, strict=True)],
        "residual_mean_mm": round(float(gaps[known].mean()), 3),
    }

"""The record of the classic route: what a head model fitted to landmarks and tissue depths says of a face."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.parametric import FittedHead


def classic_record(fitted: FittedHead, model_name: str) -> dict[str, Any]:
    """What is known of a face of `data.parametric`, JSON-able: coefficients, depths wanted and measured."""
    depths = {
        name: {"target_mm": round(target, 2), "result_mm": rounded(fitted.depths_mm.get(name))}
        for name, target in fitted.depth_targets_mm.items()
    }
    misses = [
        abs(fitted.depths_mm[name] - target)
        for name, target in fitted.depth_targets_mm.items()
        if name in fitted.depths_mm
    ]
    return {
        "representation": "parametric",
        "route": "classic: fitted to landmarks and tissue depths, without a network",
        "head": {
            "model": model_name,
            "betas": fitted.betas.tolist(),
            "betas_sd": fitted.betas_sd.tolist(),
            "turn_rad": fitted.turn.tolist(),
            "move_mm": fitted.move.tolist(),
            "solver": fitted.outcome,
        },
        "depths": depths,
        "depth_misfit_mean_mm": rounded(float(np.mean(misses))) if misses else None,
        "least_skin_over_bone_mm": rounded(fitted.least_cover_mm),
    }


def rounded(value: float | None) -> float | None:
    """Two decimals; None for what is not a finite number."""
    return round(value, 2) if value is not None and np.isfinite(value) else None

"""Which kinds of harm a skull came to, by their names in `data.cohort.severities.Severities`. Runs on the host."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data.cohort.cuts import NEVER_MM
from data.cohort.harm import ALL_TRIANGLES, Harm
from data.cohort.skeleton import Part
from flame_jax.model import Array


def kinds_of(harm: Harm, opening: Float[Array, ""] | float) -> tuple[str, ...]:
    """The kinds that happened to one skull, in the order of `Severities`.

    Args:
        harm: Of one skull.
        opening: Of the person's jaw, 0 (shut) to 1.
    """
    there = np.asarray(harm.present)
    bare = bool(np.any(np.asarray(harm.resorption) > 0.0))
    calvarium, half = (bool(plane[3] < NEVER_MM) for plane in np.asarray(harm.bone_planes))
    is_open = float(opening) > 0.0
    happened = {
        "mandible_missing": not there[Part.MANDIBLE],
        "mandible_displaced": _moves(harm.T_displaced_jaw) and not is_open,
        "jaw_open": is_open,
        "teeth_lost": bool(np.any(np.asarray(harm.lost_teeth))) and not bare,
        "edentulous": bare,
        "calvarium_cut": calvarium,
        "view_cut": bool(np.any(np.asarray(harm.view_planes)[:, 3] < NEVER_MM)),
        "half": half,
        "holes": bool(np.any(np.asarray(harm.holes.radii) > 0.0)),
        "cracks": bool(np.any(np.asarray(harm.cracks.half_length) > 0.0)),
        "outside_only": bool(harm.outside_only),
        "vertebrae": there[Part.VERTEBRAE],
        "tube": there[Part.TUBE],
        "streaks": there[Part.STREAKS],
        "thin_bone": float(harm.thinnest) > 0.0,
        "staircase": float(harm.terraces) > 0.0,
        "noise": float(harm.rough_noise) > 0.0 or float(harm.smooth_noise) > 0.0,
        "decimation": int(harm.triangles) < ALL_TRIANGLES,
        "pose": _moves(harm.T_scan_head),
    }
    return tuple(kind for kind, did in happened.items() if did)


def _moves(transform: Float[Array, "4 4"]) -> bool:
    return not np.array_equal(np.asarray(transform), np.eye(4))

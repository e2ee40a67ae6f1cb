"""The fit itself: from places where a head may lie on a scan to the head that agrees with it best."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from fields.mesh import Mesh
from flame_jax.fitting import Fit, fit, stages
from flame_jax.flame import Flame
from flame_jax.least_squares import Outcome
from flame_jax.parameters import Parameters, available_groups
from flame_jax.residuals import Landmarks, Prior, Term
from flame_jax.scan import Scan
from flame_jax.scan_residuals import ScanToHead
from s2f.scan_landmarks import ScanLandmarks

_SCAN_POINTS = 20_000
_SCAN_SD_MM = 1.0
_ROBUST = 3.0
_FIRST_SHARE, _SHARE = 0.01, 0.2
"""How much each point counts, since neighbours err together: at first so little that the head stays a usual one until
it has found its place, then more. With every point counted whole from the start, the nose of headsq's fit lies in its
mouth: 1.01 mm on average, root mean square of the coefficients 3.1. This way it is 0.80 mm and 2.2; counted whole in
the end only, 0.80 mm and 2.5; by 0.05 in the end, 0.91 mm and 1.7."""
_LANDMARK_SD_MM = 2.0
_EXPRESSION_SD = 1.0
_BLEND_SHAPE_SD = 0.3
"""Of expressions with names, which go from 0 to 1."""
_POSE_SD_RAD = {"neck_pose": 0.2, "jaw_pose": 0.3, "leye_pose": 0.1, "reye_pose": 0.1}


@dataclasses.dataclass(frozen=True)
class SolvedHead:
    """A head model on a scan."""

    fit: Fit
    """In the scan's frame, mm, about `centre`."""
    centre: Float[np.ndarray, "3"]
    vertices: Float[np.ndarray, "vertices 3"]
    """In the scan's frame, mm."""
    T_scan_model: Float[np.ndarray, "4 4"]
    """Similarity from the model's axes to the scan's, both mm."""
    iterations: tuple[int, ...]
    """Steps tried in each stage."""
    finite: bool
    """Whether no stage met numbers that are not finite."""
    groups: tuple[str, ...]
    """The parameters that the model has."""


def solve_head(
    flame: Flame,
    scan_mm: Mesh,
    starts: Sequence[np.ndarray],
    pairs: ScanLandmarks | None,
    *,
    scaled: bool,
    neutral: bool,
    named: bool,
    source: str,
) -> SolvedHead:
    """The fit from the likeliest of the starts.

    Args:
        flame: The model, mm.
        scan_mm: Wound outward.
        starts: Similarities from the model's axes to the scan's.
        pairs: Landmarks, if any.
        scaled: Whether the size is free.
        neutral: Whether expression and pose stay neutral.
        named: Whether the expressions have names, and so go from 0 to 1.
        source: What to call the scan in messages.
    """
    # About the scan's own middle, since a scan may lie far from its origin for single precision.
    centre = 0.5 * (scan_mm.vertices.min(axis=0) + scan_mm.vertices.max(axis=0))
    scan = Scan.of(scan_mm.vertices - centre, faces=scan_mm.faces, count=_SCAN_POINTS, source=source)
    steps = stages(flame, scaled=scaled, expression=not neutral, pose=not neutral)
    free = {group for step in steps for group in step.free}
    terms: list[Term] = []
    sds = {"betas": 1.0, "expression": _BLEND_SHAPE_SD if named else _EXPRESSION_SD} | _POSE_SD_RAD
    neutral_head = Parameters.neutral(flame)
    for group, sd in sds.items():
        if group in free and getattr(neutral_head, group).size:
            terms.append(Prior.of(group, sd, width=getattr(neutral_head, group).size))
    if pairs is not None:
        points = (pairs.points - centre).astype(np.float32)
        terms.append(Landmarks.of(flame, pairs.corners, pairs.b_coords.astype(np.float32), points, _LANDMARK_SD_MM))

    def to_scan(share: float) -> ScanToHead:
        shares = np.full(_SCAN_POINTS, share, np.float32)
        return ScanToHead.of(flame, scan, sd=_SCAN_SD_MM, robust=_ROBUST, share=shares)

    first_terms = [to_scan(_FIRST_SHARE), *terms]
    firsts = []
    for T_scan_model in starts:
        T_centred = T_scan_model.copy()
        T_centred[:3, 3] -= centre
        start = neutral_head.placed(flame, T_centred.astype(np.float32))
        firsts.append(fit(flame, first_terms, start, steps[:-1]))
    first = min(firsts, key=lambda tried: np.nan_to_num(float(tried.cost), nan=np.inf))
    found = fit(flame, [to_scan(_SHARE), *terms], first.parameters, steps[-1:])
    posed = found.parameters.posed(flame)
    T = np.eye(4)
    T[:3] = np.asarray(posed.transforms, np.float64)[0]
    T[:3, 3] += centre
    vertices = np.asarray(posed.vertices, np.float64) + centre
    iterations = tuple(int(count) for count in np.concatenate([first.iterations, found.iterations]))
    finite = Outcome.NOT_FINITE not in (int(first.code), int(found.code)) and bool(np.isfinite(vertices).all())
    return SolvedHead(found, centre, vertices, T, iterations, finite, available_groups(flame))

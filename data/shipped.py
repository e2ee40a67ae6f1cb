"""Where the shipped files are: in the package `s2f`, and known here, since training starts from them too."""

from __future__ import annotations

from pathlib import Path

_ASSETS = Path(__file__).parents[1] / "s2f" / "assets"

PRIOR = _ASSETS / "prior.npz"
"""The anatomy prior."""
PRIOR_ICT = _ASSETS / "prior_ict.npz"
"""An anatomy prior of another head model, ICT-FaceKit."""
JAW_OPEN = _ASSETS / "jaw_open.npz"
"""How the head of `PRIOR` opens its mouth."""
JAW_OPEN_ICT = _ASSETS / "jaw_open_ict.npz"
"""How the head of `PRIOR_ICT` opens its mouth."""
POSE_ERRORS = _ASSETS / "pose_errors.npz"
"""What our aligner does wrong: made by `s2f bench align --out`."""
FIELD = _ASSETS / "field.npz"
"""The trained face field; field.md beside it is its model card."""

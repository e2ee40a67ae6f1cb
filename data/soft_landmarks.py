"""Soft-tissue points of the midline profile, by rule, on a closed head (mm, y up, z forward).

They say where along the skin a bone landmark's partner lies, which depths alone cannot. Names after Caple & Stephan
2016.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data.landmark_rules import Relief
from fields.distance import DistanceScene
from fields.mesh import Mesh

_STEP = 0.2
CHIN_MM = 16.0
"""Menton lies at least so far behind pogonion, about as far as the symphysis is thick: under a chin that is square in
profile, as ICT-FaceKit's, the outline turns down sooner. FLAME's menton is 20 mm behind."""


def soft_landmarks(head: Mesh) -> dict[str, Float[np.ndarray, "3"]]:
    """Sellion, pronasale, subnasale, the two labralia, stomion, supramentale, pogonion, gnathion and menton of the
    skin."""
    relief = Relief(DistanceScene(head))
    highest = head.vertices[np.abs(head.vertices[:, 0]) < 4.0]
    tip = highest[np.argmax(highest[:, 2])]

    def profile(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(low, high, _STEP)
        return y, relief.front(np.zeros_like(y), y)

    def behind_chord(low: float, high: float) -> np.ndarray:
        y, z = profile(low, high)
        best = np.argmax(z[0] + (z[-1] - z[0]) * (y - y[0]) / (y[-1] - y[0]) - z)
        return np.array([0.0, y[best], z[best]])

    def most(low: float, high: float, tilt: float = 0.0, sign: float = 1.0) -> np.ndarray:
        y, z = profile(low, high)
        best = np.argmax(sign * z + tilt * y)
        return np.array([0.0, y[best], z[best]])

    points = {"prn": np.array([0.0, tip[1], tip[2]])}
    points["se"] = behind_chord(tip[1] + 12, tip[1] + 66)
    points["sn"] = behind_chord(tip[1] - 22, tip[1] - 2)
    # Below the nose the profile runs out (upper lip), in (between the lips), out (lower lip), in (mentolabial fold),
    # out (chin).
    heights = {
        "ls": (-22.0, -8.0, 1.0),
        "sto": (-12.0, -2.0, -1.0),
        "li": (-10.0, -2.0, 1.0),
        "sm": (-22.0, -5.0, -1.0),
        "pg": (-20.0, -4.0, 1.0),
    }
    above = "sn"
    for name, (low, high, sign) in heights.items():
        points[name] = most(points[above][1] + low, points[above][1] + high, sign=sign)
        above = name
    # Where the outline under the chin has turned down by 45 and by 70 degrees.
    points["gn"] = most(points["pg"][1] - 30, points["pg"][1], tilt=-1.0)
    points["me"] = most(points["pg"][1] - 24, points["pg"][1], tilt=-float(np.tan(np.radians(70))))
    y, z = profile(points["pg"][1] - 24, points["me"][1])
    under = np.flatnonzero(z < points["pg"][2] - CHIN_MM)
    if points["me"][2] > points["pg"][2] - CHIN_MM and len(under):
        points["me"] = np.array([0.0, y[under[-1]], z[under[-1]]])
    for side, suffix in ((1.0, "_l"), (-1.0, "_r")):
        points["concha" + suffix] = _concha(relief, head, side)
    return points


def _concha(relief: Relief, head: Mesh, side: float) -> np.ndarray:
    """The deepest point of the ear's bowl, at the mouth of the auditory canal."""
    ear = head.vertices[
        np.argmax(side * head.vertices[:, 0] - 1e3 * (head.vertices[:, 1] < head.vertices[:, 1].mean() - 60))
    ]
    y, z = np.meshgrid(np.arange(ear[1] - 45, ear[1] + 10, 1.0), np.arange(ear[2] - 5, ear[2] + 30, 1.0), indexing="ij")
    depth = relief.side(side, y, z)
    # How far the surface lies inside the chord between its surroundings, 8 mm to the front and to the back.
    bowl = np.full_like(depth, -np.inf)
    bowl[:, 8:-8] = np.minimum(depth[:, 16:], depth[:, :-16]) - depth[:, 8:-8]
    best = np.unravel_index(np.argmax(bowl), bowl.shape)
    return np.array([side * depth[best], y[best], z[best]])

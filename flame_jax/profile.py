"""Landmarks of a face by rule, from the depth map of a head's front.

Definitions of the landmarks follow Farkas (ed.), "Anthropometry of the Head and Face", 2nd ed., Raven Press 1994, and
Caple & Stephan, "A standardized nomenclature for craniofacial and facial anthropometry", International Journal of
Legal Medicine 130, 2016. Each is looked for in a window given in lengths of the face itself: first of the head from
the nose's tip to the back, then of the nose. So neither the unit nor the triangles matter.

Axes: x = subject's left, y up, z anterior. A head model's mean is nearly symmetric, so left and right are averaged
and one side is measured.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.ndimage as nd
from jaxtyping import Float, Int

from flame_jax.depth_map import DepthMap, depth_map
from flame_jax.errors import InputError

_STEPS = 400
"""Grid points of the depth map along the head's length, so one is about half a millimetre."""

_UPPER_BORDER = 0.04
"""The vermilion's border is so far above the most prominent point of the upper lip, in nose heights; and …"""
_LOWER_BORDER = 0.055
"""… so far below that of the lower lip. Both, and the next, measured on the means of FLAME 2023 Open and ICT-FaceKit
against landmarks that were placed by hand on their meshes."""
_PIT_TO_CORNER = 0.08
"""From the pit between eye and nose to the eye's inner corner, in nose heights."""
_GAP = 0.018
"""Greatest depth of a gap as narrow as one between the lips, in head lengths."""
_EYE_LENGTH = 0.12
"""Length of the eye's fissure, in head lengths: it varies less than the nose. Its outer corner is too faint to find."""
_CHIN_TURN_DEG = 70.0
"""The outline's slope at menton."""
_FAINT = 0.45
"""The furrow between the lips ends where its curvature falls below this part of its usual one."""
_FURROW_LIMIT = 0.25
"""Curvature of the furrow beyond which lips stand apart, in one over grid steps."""


@dataclasses.dataclass(frozen=True)
class FaceLandmarks:
    """Points of a face, in the head's unit. Those beside the midline are the left ones of the symmetrised face."""

    midline: float
    """x of the face's plane of symmetry. The points' x count from here."""
    head_length: float
    """From the nose's tip to the back of the head."""
    sellion: Float[np.ndarray, "3"]
    """Deepest point of the nose's root."""
    pronasale: Float[np.ndarray, "3"]
    """Tip of the nose."""
    subnasale: Float[np.ndarray, "3"]
    """Where the nose meets the upper lip."""
    labrale_superius: Float[np.ndarray, "3"]
    """Upper border of the upper vermilion."""
    stomion: Float[np.ndarray, "3"]
    """Between the lips."""
    labrale_inferius: Float[np.ndarray, "3"]
    """Lower border of the lower vermilion."""
    supramentale: Float[np.ndarray, "3"]
    """Deepest point of the fold between lower lip and chin."""
    pogonion: Float[np.ndarray, "3"]
    """Most anterior point of the chin."""
    menton: Float[np.ndarray, "3"]
    """Where the chin's outline has turned down."""
    endocanthion: Float[np.ndarray, "3"]
    """Inner corner of the eye."""
    exocanthion: Float[np.ndarray, "3"]
    """Outer corner of the eye: level with the inner one, at the usual distance from it."""
    cheilion: Float[np.ndarray, "3"]
    """Corner of the mouth."""

    @property
    def nose_height(self) -> float:
        """From sellion to subnasale: the face's own unit of length, about 52 mm."""
        return float(self.sellion[1] - self.subnasale[1])


class _NoFace(ValueError):
    """The outline is not a face's."""


def face_landmarks(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], name: str = ""
) -> FaceLandmarks:
    """Landmarks of the face of a head; any unit.

    Args:
        vertices: The head.
        faces: Its skin and eyeballs; without what lies before them, as lashes.
        name: What to call the head in an error.

    Raises:
        InputError: There is no face's profile.
    """
    try:
        return _landmarks(vertices, faces)
    except _NoFace as error:
        raise InputError(
            f"head model {name!r}: no face is found in its mean head ({error}); it must look along +z with y up"
        ) from None


def _landmarks(vertices: np.ndarray, faces: np.ndarray) -> FaceLandmarks:
    midline, length, front = _front(vertices, faces)
    x, y = front.along_columns(), front.along_rows()
    middle = len(x) // 2
    depth = front.depth.clip(front.depth[:, middle].max() - 0.6 * length, None)
    relief = 0.5 * (depth + depth[:, ::-1])
    # A ray that slips between parted lips must not count as a hollow deeper than they are thick.
    relief = np.maximum(relief, nd.grey_closing(relief, size=(9, 1)) - _GAP * length)
    outline = np.median(relief[:, middle - 2 : middle + 3], axis=1)
    rows = _profile_rows(outline / front.step, len(y) // 2)

    def at(row: int, column: int = middle) -> np.ndarray:
        return np.array([x[column], y[row], outline[row] if column == middle else relief[row, column]])

    height = rows["sellion"] - rows["subnasale"]
    inner = _inner_canthus(relief / front.step, rows, height)
    mouth = _mouth_corner(relief[:, middle:] / front.step, rows["stomion"], height)
    return FaceLandmarks(
        midline=midline,
        head_length=length,
        endocanthion=at(inner[0], middle + inner[1]),
        exocanthion=at(inner[0], middle + inner[1] + round(_EYE_LENGTH * _STEPS)),
        cheilion=at(mouth[0], middle + mouth[1]),
        **{name: at(row) for name, row in rows.items()},
    )


def _front(vertices: np.ndarray, faces: np.ndarray) -> tuple[float, float, DepthMap]:
    """The midline's x, the head's length, and the face's depth map with the midline in its middle column and the
    nose's tip in its middle row."""
    breadth = np.ptp(vertices[:, 0])
    near_middle = np.abs(vertices[:, 0] - np.median(vertices[:, 0])) < 0.1 * breadth
    tip = vertices[near_middle][np.argmax(vertices[near_middle, 2])]
    above = vertices[vertices[:, 1] >= tip[1]]
    length = float(tip[2] - above[:, 2].min())
    step = length / _STEPS
    if breadth < 0.3 * length or np.ptp(above[:, 1]) < 0.3 * length:
        raise _NoFace("there is no cranium above and behind the point that is most in front")

    def map_around(middle: float) -> DepthMap:
        # The face's width to the temples; its height to the hair and below the chin. A margin keeps the last row in.
        wide, high = 100.01 * step, 160.01 * step
        window = ((middle - wide, middle + wide), (float(tip[1]) - high, float(tip[1]) + high))
        return depth_map(vertices, faces, np.eye(3), step, window)

    first = map_around(float(tip[0]))
    # The column about which the part that is as wide as the nose is most symmetric, to half a column.
    middle, half = 100, 50
    part = first.depth[160 : 160 + 80]
    if not np.isfinite(part[:, middle - half - 10 : middle + half + 11]).all():
        raise _NoFace("the point that is most in front has no forehead above it")
    shifts = np.arange(-20, 21)
    unlikeness = []
    for shift in shifts:
        left = part[:, middle - half + (shift + 1) // 2 : middle + half + 1 + (shift + 1) // 2]
        right = part[:, middle - half + shift // 2 : middle + half + 1 + shift // 2]
        unlikeness.append(np.abs(left - right[:, ::-1]).mean())
    x = first.along_columns()[middle] + 0.5 * step * shifts[int(np.argmin(unlikeness))]
    centred = map_around(float(x))
    return (
        float(x),
        length,
        dataclasses.replace(
            centred,
            depth=centred.depth[:321, :201],
            corner=np.array([-100.0 * step, centred.corner[1]]),
        ),
    )


def _profile_rows(z: Float[np.ndarray, " rows"], middle: int) -> dict[str, int]:
    """Rows of the midline's landmarks on the outline z, which is in steps of the grid as the rows are; the nose's tip
    is about the row `middle`."""
    tip = middle - 20 + int(np.argmax(z[middle - 20 : middle + 21]))
    # Sellion lies 25 to 50 mm above the tip, subnasale 8 to 18 mm below it; the windows are wider than that.
    sellion, hollow = _behind_chord(z, tip + 22, tip + 112)
    subnasale, overhang = _behind_chord(z, tip - 36, tip - 8)
    height = sellion - subnasale
    if hollow < 0.05 * height or overhang < 0.01 * height or z[tip] - z[subnasale] < 0.1 * height:
        raise _NoFace("the outline in the midline has no nose")
    # The upper lip is 0.45 of the nose's height. The furrow between the lips is narrower than the fold over the chin.
    search = _rows(subnasale - int(0.75 * height), subnasale - int(0.22 * height), z)
    stomion = int(search[np.argmax([_valley(z, row, int(0.1 * height)) for row in search.tolist()])])
    if _valley(z, stomion, int(0.1 * height)) < 0.005 * height:
        raise _NoFace("the outline below the nose has no mouth")
    supramentale, _ = _behind_chord(z, stomion - int(0.75 * height), stomion - int(0.12 * height))
    # A lip is what stands out before the chord to the next hollow.
    upper, _ = _before_chord(z, stomion, subnasale)
    lower, _ = _before_chord(z, supramentale, stomion)
    chin = _rows(supramentale - int(0.45 * height), supramentale - int(0.05 * height), z)
    pogonion = int(chin[np.argmax(z[chin])])
    below = _rows(pogonion - int(0.5 * height), pogonion, z)
    menton = int(below[np.argmax(z[below] - np.tan(np.radians(_CHIN_TURN_DEG)) * below)])
    return {
        "sellion": sellion,
        "pronasale": tip,
        "subnasale": subnasale,
        "labrale_superius": upper + round(_UPPER_BORDER * height),
        "stomion": stomion,
        "labrale_inferius": lower - round(_LOWER_BORDER * height),
        "supramentale": supramentale,
        "pogonion": pogonion,
        "menton": menton,
    }


def _rows(low: int, high: int, z: np.ndarray) -> np.ndarray:
    """The rows of a window, as far as the outline goes."""
    rows = np.arange(max(low, 0), min(high, len(z)))
    if not len(rows):
        raise _NoFace("the outline in the midline is not a face's")
    return rows


def _behind_chord(z: np.ndarray, low: int, high: int) -> tuple[int, float]:
    """The row between two where the outline lies farthest behind the chord, and how far."""
    rows = _rows(low, high, z)
    behind = np.linspace(z[rows[0]], z[rows[-1]], len(rows)) - z[rows]
    return int(rows[np.argmax(behind)]), float(behind.max())


def _before_chord(z: np.ndarray, low: int, high: int) -> tuple[int, float]:
    row, distance = _behind_chord(-z, low, high)
    return row, distance


def _valley(z: np.ndarray, row: int, reach: int) -> float:
    """How far a row lies behind the lower one of the heights on its two sides."""
    return float(min(z[row - reach : row].max(), z[row + 1 : row + 1 + reach].max()) - z[row])


def _inner_canthus(relief: np.ndarray, rows: dict[str, int], height: int) -> tuple[int, int]:
    """Row and column from the midline of the left eye's inner corner, be the eye open or shut."""
    middle = relief.shape[1] // 2
    width = 0.09 * height
    hollow = nd.gaussian_filter(relief, width, order=(2, 0)) + nd.gaussian_filter(relief, width, order=(0, 2))
    low, high = rows["sellion"] - int(0.4 * height), rows["sellion"] + int(0.15 * height)
    near, far = int(0.15 * height), int(0.45 * height)
    # The deepest hollow there is the pit between eye and nose's root, beside the corner itself.
    window = hollow[low:high, middle + near : middle + far]
    row, column = np.unravel_index(np.argmax(window), window.shape)
    return low + int(row), near + int(column) + round(_PIT_TO_CORNER * height)


def _mouth_corner(half: np.ndarray, stomion: int, height: int) -> tuple[int, int]:
    """Row and column from the midline of the mouth's corner: where the furrow between the lips has become faint."""
    furrow = nd.gaussian_filter(half, 3.0, order=(2, 0))
    row, strengths, path = stomion, [], []
    for column in range(int(0.85 * height)):
        row = row - 2 + int(np.argmax(furrow[row - 2 : row + 3, column]))
        path.append(row)
        strengths.append(furrow[row, column])
    # Nowhere counts more than in the middle, else a gap between the lips would outshine their corners.
    strength = np.array(strengths)
    typical = np.median(strength[: int(0.3 * height)])
    faint = np.flatnonzero(strength[int(0.2 * height) :] < _FAINT * min(typical, _FURROW_LIMIT))
    column = int(0.2 * height) + int(faint[0]) if len(faint) else len(path) - 1
    return path[column], column

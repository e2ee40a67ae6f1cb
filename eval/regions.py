"""Which part of a true surface is scored: regions by the skull's landmarks, in the head frame (mm).

Regions are defined on the true surface so that no prediction chooses its own. Landmarks are a dict from the keys of
`data.landmarks` ("n", "po_l", …) to positions; of a bilateral landmark one side is enough. |x| is the distance from the
midsagittal plane. Every function raises `InputError`, naming them, when landmarks that a region needs are missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from data.face_region import ABOVE_NASION_MM, BELOW_MENTON_MM, FACE_BEHIND_PORION_MM
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError

Landmarks = Mapping[str, Float[np.ndarray, "3"]]

REGION_LANDMARKS: dict[str, tuple[str, ...]] = {"face": ("po", "me", "n"), "head": ("me",)}
"""What each region is anchored to."""

_FRONT_FAN: tuple[tuple[int, int, int], ...] = ((0, 0, 1), (1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1))
_ROUND_FAN = tuple((x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0))
_LIFT_MM = 0.05
"""A ray starts this far above the surface, so that it does not meet its own triangle in single precision."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """A coordinate relative to a landmark's."""

    landmark: str
    """Abbreviation; of a bilateral landmark the mean of the sides that are there."""
    offset_mm: float = 0.0


@dataclasses.dataclass(frozen=True)
class SubRegion:
    """A rectangle of the face seen from the front, mirrored in the midsagittal plane; open where a bound is None."""

    name: str
    lateral_from_mm: float = 0.0
    """Least |x|."""
    lateral_to: Bound | None = None
    """Greatest |x|."""
    bottom: Bound | None = None
    """Least y."""
    top: Bound | None = None
    """Greatest y."""


SUB_REGIONS: tuple[SubRegion, ...] = (
    # The bridge between the inner corners of the eyes is about 24 mm wide and belongs to the nose; the orbit is about
    # 40 mm wide with the supraorbital landmark over its middle.
    SubRegion("eyes", 12.0, Bound("mso", 20.0), bottom=Bound("mio"), top=Bound("mso")),
    # The alae stand about 6 mm outside the bone beside the aperture; subnasale lies at about the height of subspinale.
    SubRegion("nose", lateral_to=Bound("ac", 6.0), bottom=Bound("ss"), top=Bound("n")),
    # The corners of the mouth lie about 1 cm lateral of the canines; the mentolabial fold lies over supramentale.
    SubRegion("lips", lateral_to=Bound("sC", 12.0), bottom=Bound("sm"), top=Bound("ss")),
    SubRegion("brow", bottom=Bound("n")),
    SubRegion("jaw", top=Bound("id")),
    SubRegion("cheeks", bottom=Bound("id"), top=Bound("n")),
)
"""Sub-regions of the face. A point belongs to the first that holds it; together they are the whole face."""


def face_mask(
    points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"], landmarks: Landmarks
) -> Bool[np.ndarray, " points"]:
    """Points of the face: 25 mm or more in front of the poria, from menton − 5 mm to nasion + 45 mm, n_z > 0.

    `points` in the head frame (mm), `normals` outward. Ears and scalp stay out by the bounds in z and y.
    """
    _require("face", REGION_LANDMARKS["face"], landmarks)
    y, z = points[:, 1], points[:, 2]
    return (
        (z > _coordinate(Bound("po", FACE_BEHIND_PORION_MM), landmarks, 2))
        & (y > _coordinate(Bound("me", -BELOW_MENTON_MM), landmarks, 1))
        & (y < _coordinate(Bound("n", ABOVE_NASION_MM), landmarks, 1))
        & (normals[:, 2] > 0.0)
    )


def head_mask(points: Float[np.ndarray, "points 3"], landmarks: Landmarks) -> Bool[np.ndarray, " points"]:
    """Points of the head: all above the horizontal plane 5 mm under menton, in the head frame (mm).

    That includes the ears, the nape at that height and the scalp, which in scanned head models is a cap of hair.
    """
    _require("head", REGION_LANDMARKS["head"], landmarks)
    return points[:, 1] > _coordinate(Bound("me", -BELOW_MENTON_MM), landmarks, 1)


def region_faces(mesh: Mesh, region: str, landmarks: Landmarks) -> Bool[np.ndarray, " faces"]:
    """Triangles of a true surface (head frame, mm) that a region scores, judged by their centroids and normals.

    Only outer skin counts: a triangle is in if a straight line leaves it for the outside in one of a few directions
    (forward and 45° to each side for the face, all round for the head). A skin surface taken from a CT has the walls of
    nose and throat as well, which face forward and are nobody's face.
    """
    centroids, normals = mesh.vertices[mesh.faces].mean(axis=1), mesh.face_normals()
    if region == "face":
        mask, fan = face_mask(centroids, normals, landmarks), _FRONT_FAN
    elif region == "head":
        mask, fan = head_mask(centroids, landmarks), _ROUND_FAN
    else:
        raise InputError(f"region {region!r} is unknown: choose one of {', '.join(REGION_LANDMARKS)}")
    chosen = np.flatnonzero(mask)
    mask[chosen] = _seen_from_outside(DistanceScene(mesh), centroids[chosen] + _LIFT_MM * normals[chosen], fan)
    return mask


def sub_region_masks(
    points: Float[np.ndarray, "points 3"], landmarks: Landmarks
) -> dict[str, Bool[np.ndarray, " points"]]:
    """For points of the face (head frame, mm), which sub-region each lies in: disjoint masks that cover all points."""
    bounds = [bound for rule in SUB_REGIONS for bound in (rule.lateral_to, rule.bottom, rule.top) if bound is not None]
    _require("sub-regions of the face", tuple(dict.fromkeys(bound.landmark for bound in bounds)), landmarks)
    lateral, y = np.abs(points[:, 0]), points[:, 1]
    left = np.ones(len(points), dtype=bool)
    masks = {}
    for rule in SUB_REGIONS:
        inside = left & (lateral >= rule.lateral_from_mm)
        if rule.lateral_to is not None:
            inside &= lateral <= _coordinate(rule.lateral_to, landmarks, 0)
        if rule.bottom is not None:
            inside &= y >= _coordinate(rule.bottom, landmarks, 1)
        if rule.top is not None:
            inside &= y <= _coordinate(rule.top, landmarks, 1)
        masks[rule.name] = inside
        left &= ~inside
    return masks


def _sides(landmark: str, landmarks: Landmarks) -> list[np.ndarray]:
    return [landmarks[key] for key in (landmark, f"{landmark}_l", f"{landmark}_r") if key in landmarks]


def _require(region: str, names: tuple[str, ...], landmarks: Landmarks) -> None:
    missing = [name for name in names if not _sides(name, landmarks)]
    if missing:
        raise InputError(
            f"no landmark {', '.join(missing)}, which the {region} needs: give it with --landmarks when reconstructing"
        )


def _coordinate(bound: Bound, landmarks: Landmarks, axis: int) -> float:
    """Mean over the sides; across the midsagittal plane, of |x|."""
    values = [abs(point[axis]) if axis == 0 else point[axis] for point in _sides(bound.landmark, landmarks)]
    return float(np.mean(values)) + bound.offset_mm


def _seen_from_outside(
    scene: DistanceScene, points: np.ndarray, fan: tuple[tuple[int, int, int], ...]
) -> Bool[np.ndarray, " points"]:
    seen = np.zeros(len(points), dtype=bool)
    for direction in fan:
        hidden = np.flatnonzero(~seen)
        if not len(hidden):
            break
        unit = np.array(direction) / np.linalg.norm(direction)
        seen[hidden] = ~scene.cast(points[hidden], np.broadcast_to(unit, (len(hidden), 3))).hit
    return seen

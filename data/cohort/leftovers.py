"""What a CT shows beside the skull: neck vertebrae, an orotracheal tube, metal streaks.

The vertebrae are atlas, axis and the two below, put together from rounded rods about as long as textbooks give (White,
Black & Folkens, Human Osteology, 3rd ed. 2012): body or lateral masses, arch about the canal, spinous and transverse
processes. They stand in a slight lordosis below the foramen magnum. The tube of 10 mm enters between the incisors,
bends over the tongue and goes down in front of the vertebrae; its connector lies in front of the mouth. Streaks are
thin double pyramids that lie in the axial plane and radiate from canines and molars, as a surface extracted from a CT
with metal fillings has them (Barrett & Keat, "Artifacts in CT: recognition and avoidance", RadioGraphics 24, 2004).
Sizes and directions of tube and streaks are guesses of ours. All in the head frame, mm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from data.cleaning import decimate
from data.cohort.joined import joined
from fields.mesh import Mesh
from fields.narrow_band import sample_band

_VERTEBRA_FACES = 1200
_TUBE_MM = 5.0
_CONNECTOR_MM = 7.5
_SIDES = 12
_STREAK_TEETH = (3, 6, 11, 14, 19, 22, 27, 30)
_STREAKS_EACH = 11
_STREAK_LENGTH_MM = (10.0, 42.0)
_STREAK_HALF_MM = 0.9


@dataclasses.dataclass(frozen=True)
class _Rod:
    """A rounded rod from `start` to `end` that swells or thins from one radius to another."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    end_radius: float


def make_vertebrae(landmarks: Mapping[str, np.ndarray]) -> Mesh:
    """C1 to C4 under the skull base."""
    porion = (landmarks["po_l"] + landmarks["po_r"]) / 2
    parts = []
    for rods, drop, forward, nod in (
        (_ATLAS, 28.0, -14.0, 2.0),
        (_AXIS, 45.0, -13.0, 6.0),
        (_LOWER, 62.0, -11.0, 12.0),
        (_LOWER, 79.0, -8.5, 16.0),
    ):
        turn = np.radians(nod)
        rotation = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(turn), -np.sin(turn)], [0.0, np.sin(turn), np.cos(turn)]])
        vertebra = _melted(_both_sides(rods))
        parts.append(Mesh(vertebra.vertices @ rotation.T + porion + [0.0, -drop, forward], vertebra.faces))
    return joined(parts)


def make_tube(landmarks: Mapping[str, np.ndarray]) -> Mesh:
    """An orotracheal tube, open at both ends, with its connector."""
    lip = (landmarks["pr"] + landmarks["id"]) / 2
    offsets = np.array(
        [
            [5.0, -3.0, 48.0],
            [5.0, -2.0, 30.0],
            [4.0, -2.0, 8.0],
            [2.0, 1.0, -12.0],
            [1.0, 4.0, -34.0],
            [0.0, -3.0, -54.0],
            [0.0, -20.0, -64.0],
            [0.0, -42.0, -66.0],
            [0.0, -66.0, -64.0],
        ]
    )
    path = _spline(lip + offsets, 40)
    tube = _pipe(path, np.full(len(path), _TUBE_MM))
    start = path[0] + np.array([0.0, 0.0, 1.0]) * np.linspace(22.0, -4.0, 4)[:, None]
    return joined([tube, _pipe(start, np.full(4, _CONNECTOR_MM))])


def make_streaks(vertices: np.ndarray, tooth: Int[np.ndarray, " vertices"]) -> Mesh:
    """Streaks from the crowns of canines and molars; `tooth` is the crown's number at each vertex (Universal)."""
    rng = np.random.default_rng(0)
    tips: list[list[np.ndarray]] = []
    faces = []
    diamond = np.array([[0, 2, 3], [0, 3, 4], [0, 4, 5], [0, 5, 2], [1, 3, 2], [1, 4, 3], [1, 5, 4], [1, 2, 5]])
    for number in _STREAK_TEETH:
        crown = vertices[tooth == number]
        if not len(crown):
            continue
        for streak in range(_STREAKS_EACH):
            turn = 2.0 * np.pi * (streak + rng.uniform(0.0, 0.8)) / _STREAKS_EACH
            along = np.array([np.sin(turn), rng.normal(0.0, 0.02), np.cos(turn)])
            across = np.cross(along, [0.0, 1.0, 0.0])
            root = crown.mean(axis=0) + np.array([0.0, rng.uniform(-3.0, 3.0), 0.0])
            length = rng.uniform(*_STREAK_LENGTH_MM)
            widest = root + 0.25 * length * along
            half = _STREAK_HALF_MM * rng.uniform(0.6, 1.6)
            up = np.array([0.0, 0.5 * half, 0.0])
            faces.append(diamond + 6 * len(tips))
            tips.append(
                [root, root + length * along, *(widest + way for way in (half * across, up, -half * across, -up))]
            )
    return Mesh(np.array(tips).reshape(-1, 3), np.concatenate(faces).astype(np.int32))


# Rods of one side (x >= 0) in a vertebra's own frame: canal in the origin, x left, y up, z to the front.
_ATLAS = (
    _Rod((0.0, 0.0, 17.0), (13.0, 0.0, 12.0), 3.6, 3.4),
    _Rod((17.0, 4.5, 12.0), (20.0, 3.0, 1.0), 5.5, 5.0),
    _Rod((17.0, -4.0, 10.0), (20.0, -3.5, 2.0), 5.5, 5.0),
    _Rod((21.0, 0.0, 6.0), (37.0, -2.0, 0.0), 4.0, 3.2),
    _Rod((19.0, 0.0, -2.0), (12.0, 0.0, -16.0), 3.0, 3.0),
    _Rod((12.0, 0.0, -16.0), (0.0, 0.0, -20.5), 3.0, 3.6),
)
_AXIS = (
    _Rod((0.0, 0.0, 13.0), (0.0, 20.0, 11.0), 5.2, 4.4),
    _Rod((0.0, -4.0, 13.0), (5.0, -4.0, 13.0), 7.5, 6.5),
    _Rod((6.0, 4.0, 11.0), (17.0, 5.0, 8.0), 5.0, 5.0),
    _Rod((16.0, 0.0, 6.0), (25.0, -4.0, 3.0), 3.4, 2.6),
    _Rod((15.0, 1.0, 4.0), (14.0, -6.0, -8.0), 4.2, 4.2),
    _Rod((13.0, -3.0, -8.0), (0.0, -1.0, -18.0), 3.4, 4.4),
    _Rod((0.0, -2.0, -18.0), (3.5, -7.0, -31.0), 4.4, 3.6),
)
_LOWER = (
    _Rod((0.0, 2.5, 17.5), (5.5, 3.0, 16.0), 4.6, 4.4),
    _Rod((0.0, -3.0, 18.0), (5.5, -2.5, 16.5), 4.8, 4.4),
    _Rod((3.0, 3.0, 12.0), (7.5, 3.0, 12.0), 4.2, 4.0),
    _Rod((3.0, -2.5, 12.0), (7.5, -2.5, 12.0), 4.2, 4.0),
    _Rod((6.0, 0.0, 12.0), (23.0, -2.0, 8.0), 4.0, 3.2),
    _Rod((16.0, 5.0, 1.0), (16.0, -6.0, -5.0), 4.6, 4.6),
    _Rod((14.0, 0.0, 4.0), (15.0, 0.0, -2.0), 3.6, 3.6),
    _Rod((14.0, -2.0, -5.0), (0.0, -2.0, -16.0), 3.0, 3.4),
    _Rod((0.0, -3.0, -16.0), (3.0, -7.0, -28.0), 3.4, 2.8),
)


def _both_sides(rods: tuple[_Rod, ...]) -> list[_Rod]:
    mirror = [
        dataclasses.replace(rod, start=(-rod.start[0], *rod.start[1:]), end=(-rod.end[0], *rod.end[1:])) for rod in rods
    ]
    return [*rods, *mirror]


def _melted(rods: list[_Rod]) -> Mesh:
    """The surface of rods that melt into each other."""

    def field(points: np.ndarray) -> np.ndarray:
        least = np.full(points.shape[:-1], np.inf)
        for rod in rods:
            start, along = np.array(rod.start), np.array(rod.end) - np.array(rod.start)
            share = np.clip(((points - start) @ along) / max(along @ along, 1e-9), 0.0, 1.0)
            distance = np.linalg.norm(points - start - share[..., None] * along, axis=-1)
            distance -= rod.radius + (rod.end_radius - rod.radius) * share
            near = np.clip(1.0 - np.abs(least - distance) / 3.0, 0.0, 1.0)
            least = np.minimum(least, distance) - 0.75 * near**2
        return least

    ends = np.array([end for rod in rods for end in (rod.start, rod.end)])
    surface = sample_band(field, ends.min(axis=0) - 10.0, ends.max(axis=0) + 10.0, 1.5).surface()
    return decimate(surface, _VERTEBRA_FACES)


def _spline(knots: np.ndarray, count: int) -> np.ndarray:
    """Points along a smooth path through knots (Catmull-Rom)."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    place = np.linspace(0.0, len(knots) - 1.0, count)
    first = np.minimum(place.astype(int), len(knots) - 2)
    t = (place - first)[:, None]
    p, q, r, s = (padded[first + k] for k in range(4))
    return 0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)


def _pipe(path: np.ndarray, radius: np.ndarray) -> Mesh:
    """A pipe about a path that stays near the sagittal plane, open at both ends."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    up = np.cross(along, [1.0, 0.0, 0.0])
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    side = np.cross(up, along)
    turn = 2.0 * np.pi * np.arange(_SIDES) / _SIDES
    ring = np.cos(turn)[None, :, None] * side[:, None] + np.sin(turn)[None, :, None] * up[:, None]
    vertices = (path[:, None] + radius[:, None, None] * ring).reshape(-1, 3)
    here = (np.arange(len(path) - 1)[:, None] * _SIDES + np.arange(_SIDES)).ravel()
    after = (np.arange(len(path) - 1)[:, None] * _SIDES + (np.arange(_SIDES) + 1) % _SIDES).ravel()
    faces = np.concatenate(
        [np.stack([here, after, here + _SIDES], -1), np.stack([after, after + _SIDES, here + _SIDES], -1)]
    )
    mesh = Mesh(vertices, faces.astype(np.int32))
    outward = np.einsum("fd,fd->f", mesh.face_normals(), ring.reshape(-1, 3)[mesh.faces[:, 0]]).mean() > 0.0
    return mesh if outward else Mesh(mesh.vertices, mesh.faces[:, ::-1])

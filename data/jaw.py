"""The lower jaw as a part of its own: which of the template is mandible, and how far it stands open on a new skull."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.transform import Rotation

from data.landmarks import MANDIBULAR, abbreviation_of
from data.registration import Oriented, matched_distance, refine_rigid
from fields.mesh import Mesh, transform_points

_OPENINGS_DEG = (0.0, 6.0, 12.0, 20.0, 28.0)
_MATCHED_MM = 6.0
_OPEN_MM = 7.0
"""Less than this between the tooth rows, beyond what the template has, is a closed jaw's shape, left to the bend."""
_PRESENT_SHARE = 0.65
"""Less of the template's mandible than this within `_MATCHED_MM` of bone: the mandible is missing. Measured 0.44-0.51
where it was cut away, 0.78 on the coarse CT at hand, 0.89-0.96 on sampled skulls, open or closed."""


@dataclasses.dataclass(frozen=True)
class Jaw:
    """The mandible's own pose."""

    T_open_closed: Float[np.ndarray, "4 4"]
    """Rigid motion of the mandible from its place in the template, in the template's frame."""
    opening_mm: float
    """How much farther apart the alveolar edges at the incisors are than in the template; 0 for a closed jaw."""
    present: bool
    """Whether the skull has a mandible."""


def mandible_mask(skull: Mesh, landmarks: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " vertices"]:
    """Vertices of the mandible on a skull whose jaws are closed and may be fused (head frame, mm).

    In front of the rami the plane between the tooth rows parts the jaws; behind, a vertex belongs to the jaw whose
    landmarks are nearer along the surface.
    """
    upper = np.stack([landmarks[key] for key in ("pr", "ecm2(s)_l", "ecm2(s)_r")])
    lower = np.stack([landmarks[key] for key in ("id", "ecm2(i)_l", "ecm2(i)_r")])
    bite = (upper + lower) / 2
    normal = np.cross(bite[1] - bite[0], bite[2] - bite[0])
    normal *= np.sign(normal[1]) / np.linalg.norm(normal)
    height = (skull.vertices - bite[0]) @ normal
    ramus_front = landmarks["mr_l"][2] + 12.0
    front = skull.vertices[:, 2] > ramus_front
    edges = skull.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    crosses = front[edges].all(axis=1) & ((height[edges[:, 0]] > 0) != (height[edges[:, 1]] > 0))
    edges = edges[~crosses]
    length = np.linalg.norm(skull.vertices[edges[:, 0]] - skull.vertices[edges[:, 1]], axis=1)
    graph = sp.coo_matrix((length, (edges[:, 0], edges[:, 1])), shape=(len(skull.vertices),) * 2).tocsr()

    def along_surface(keys: list[str]) -> np.ndarray:
        marks = np.stack([landmarks[key] for key in keys])
        seeds = np.argmin(((skull.vertices[None] - marks[:, None]) ** 2).sum(-1), axis=1)
        return dijkstra(graph, directed=False, indices=seeds, min_only=True)

    jaw_keys = [key for key in landmarks if abbreviation_of(key) in MANDIBULAR]
    other_keys = [key for key in landmarks if abbreviation_of(key) not in MANDIBULAR]
    return along_surface(jaw_keys) < along_surface(other_keys)


def find_jaw(mandible: Oriented, target: Oriented, landmarks: Mapping[str, np.ndarray]) -> Jaw:
    """Place the template's mandible on the bone of a new skull that is already registered by its cranium.

    `mandible` and `target` are in the template's frame. Several openings about the condyles are tried, each refined
    rigidly; the best match wins.
    """
    hinge = (landmarks["po_l"] + landmarks["po_r"]) / 2 + [
        0.0,
        -5.0,
        14.0,
    ]  # the condyles, in front of and below the meatus
    best_share, best = -1.0, np.eye(4)
    for opening in _OPENINGS_DEG:
        start = np.eye(4)
        start[:3, :3] = Rotation.from_rotvec([np.radians(opening), 0, 0]).as_matrix()
        start[:3, 3] = hinge - start[:3, :3] @ hinge
        transform = refine_rigid(mandible, target, start)
        moved = mandible.moved(transform)
        distance, _ = matched_distance(moved.points, moved.normals, target)
        share = float(np.mean(1 / (1 + (distance / 3.0) ** 2)))
        if share > best_share:
            best_share, best = share, transform
    moved = mandible.moved(best)
    distance, _ = matched_distance(moved.points, moved.normals, target)
    upper, lower = landmarks["pr"], landmarks["id"]
    opening = float(np.linalg.norm(transform_points(best, lower) - upper) - np.linalg.norm(lower - upper))
    slid = np.linalg.norm(transform_points(best, hinge) - hinge)
    # One side suffices: half a skull has half a mandible.
    left = mandible.points[:, 0] > 0
    shares = [(distance[side] < _MATCHED_MM).mean() for side in (left, ~left)]
    present = bool(max(shares) > _PRESENT_SHARE and slid < 25.0)
    is_open = present and opening > _OPEN_MM
    return Jaw(best if is_open else np.eye(4), opening if is_open else 0.0, present)

"""Where a head may lie on a scan that says nothing of its pose: global registration of the head and of its front.

The front alone is registered too, since a scan of a face lies far from the middle of a head. Which of the places is
right is told by the scan: it must lie on the head, while the head may have more than the scan.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from data.cleaning import clean
from data.registration import Oriented, matched_distance, refine_rigid, register
from fields.connected_parts import connected_parts
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError

_POINTS = 8_000
_COMPARED_POINTS = 3_000
_FEWEST_EXPOSED = 500
_FRONT_DEPTH_MM = 90.0
"""From the tip of the nose backwards: a scan of the face alone."""
_FRONT_FACING = -0.2
"""Least z of normals of the front."""
_RADIUS_MM = 6.0
"""Scale of the robust cost that compares places."""
_SAME_TURN_DEG = 15.0
_SAME_MOVE_MM = 15.0
"""Places that differ by less lead to one fit."""
_MOST_PLACES = 3
_LARGE_SHARE = 0.2
"""Of the whole area, for a piece that is tried as the head."""
_WORTH_TRYING = 1.5
"""A place with more than so many times the least cost is not tried."""


def cleaned_scan(mesh: Mesh, *, source: str) -> Mesh:
    """The scan without doubles and crumbs, in its own frame, wound outward.

    Raises:
        InputError: Nothing is left.
    """
    mesh = clean(mesh)
    if not len(mesh.faces):
        raise InputError(f"{source}: nothing is left after cleaning; all triangles were without area")
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    area = np.linalg.norm(across, axis=1)
    # Cleaning turns closed surfaces only, and scans are seldom closed. Cones from the middle of a connected piece have
    # volume all the same. Piece by piece, since a chair says nothing of how a head winds.
    piece = _pieces(mesh)
    weight = np.maximum(np.bincount(piece, area), np.finfo(np.float64).tiny)
    centroids = (a + b + c) / 3
    middle = np.stack([np.bincount(piece, area * centroids[:, axis]) for axis in range(3)], axis=1) / weight[:, None]
    volume = np.bincount(piece, np.einsum("fd,fd->f", across, centroids - middle[piece]))
    return Mesh(mesh.vertices, np.where((volume < 0)[piece][:, None], mesh.faces[:, ::-1], mesh.faces))


def _pieces(mesh: Mesh) -> Int[np.ndarray, " faces"]:
    """Which connected piece each triangle belongs to."""
    return connected_parts(mesh)[mesh.faces[:, 0]]


def places(mean: Mesh, scan: Mesh, *, source: str) -> list[Float[np.ndarray, "4 4"]]:
    """Rigid motions that may lay the mean head on the scan, the likeliest first.

    Args:
        mean: A head model's mean in FLAME's axes, mm.
        scan: As `cleaned_scan` gives it, mm, in any pose.
        source: What to call the scan in messages.

    Raises:
        InputError: The scan has no outer surface.
    """
    head, target = Oriented.exposed(mean, _POINTS), Oriented.exposed(scan, _POINTS)
    if len(head.points) < _FEWEST_EXPOSED:
        raise InputError(f"{source}: the head model's mean has no outer surface; give a FLAME-format head model")
    if len(target.points) < _FEWEST_EXPOSED:
        raise InputError(f"{source}: has no outer surface to register; turn its triangles outside, or give landmarks")
    found = []
    for aim in (target, *_large_pieces(scan)):
        for part in (head, _front(head)):
            start = _rigid(register(part, aim).T_target_template, aim.points.mean(axis=0))
            T_head_scan = refine_rigid(aim, head, np.linalg.inv(start))
            found.append((_cost(target.moved(T_head_scan), head), np.linalg.inv(T_head_scan)))
    found.sort(key=lambda pair: pair[0])
    kept: list[np.ndarray] = []
    for cost, place in found:
        known = any(_same(place, other, head.points.mean(axis=0)) for other in kept)
        if cost <= _WORTH_TRYING * found[0][0] and not known:
            kept.append(place)
    return kept[:_MOST_PLACES]


def _large_pieces(scan: Mesh) -> list[Oriented]:
    """Each of several pieces that might be the head, when the others are something else, such as a chair."""
    piece = _pieces(scan)
    area = np.bincount(piece, scan.face_areas())
    large = np.flatnonzero(area >= _LARGE_SHARE * area.sum())
    if len(large) < 2:
        return []
    targets = [Oriented.exposed(Mesh(scan.vertices, scan.faces[piece == number]), _POINTS) for number in large]
    return [target for target in targets if len(target.points) >= _FEWEST_EXPOSED]


def _front(head: Oriented) -> Oriented:
    depth = np.percentile(head.points[:, 2], 99.5) - head.points[:, 2]
    rows = np.flatnonzero((depth < _FRONT_DEPTH_MM) & (head.normals[:, 2] > _FRONT_FACING))
    return Oriented(head.points[rows], head.normals[rows], cKDTree(head.points[rows]))


def _rigid(transform: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """A similarity without its scale, so that the point of the template that lay at `centre` stays there."""
    rigid = transform.copy()
    rigid[:3, :3] /= np.cbrt(np.linalg.det(transform[:3, :3]))
    rigid[:3, 3] = centre - rigid[:3, :3] @ transform_points(np.linalg.inv(transform), centre)
    return rigid


def _cost(scan: Oriented, head: Oriented) -> float:
    """Mean robust cost of the scan's distances from the head, 0 to 1."""
    few = scan.first(_COMPARED_POINTS)
    gap, _ = matched_distance(few.points, few.normals, head, 3 * _RADIUS_MM)
    return float((gap**2 / (gap**2 + _RADIUS_MM**2)).mean())


def _same(one: np.ndarray, other: np.ndarray, centre: np.ndarray) -> bool:
    turn = Rotation.from_matrix(one[:3, :3].T @ other[:3, :3]).magnitude()
    move = np.linalg.norm(transform_points(one, centre) - transform_points(other, centre))
    return bool(np.degrees(turn) < _SAME_TURN_DEG and move < _SAME_MOVE_MM)

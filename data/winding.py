"""Consistent winding of triangles, outward where the surface is closed."""

from __future__ import annotations

import numpy as np
import open3d as o3d
import scipy.sparse
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from fields.mesh import Mesh

_PROBES = 9
"""Points of a piece that are asked whether another piece encloses it; all must be inside, so that a tooth whose root
lies in the jaw is not taken for a hollow of it."""

_DIRECTION = np.array([0.5257, 0.3249, 0.7863])
"""Of the probing rays; any direction will do that meshes do not share an axis with."""


def consistent_winding(mesh: Mesh) -> Mesh:
    """The mesh with neighbouring triangles winding alike, and closed pieces counter-clockwise seen from outside.

    A closed piece inside another (the wall of a hollow) is flipped if and only if the one around it is. Open pieces
    keep the winding of most of their triangles. Pieces that have no two sides, such as a Möbius strip, stay as they
    are.
    """
    if not len(mesh.faces):
        return mesh
    pairs, opposed = _neighbours(mesh.faces)
    faces = _flipped(mesh.faces, _disagreeing(len(mesh.faces), pairs, opposed))
    piece = connected_components(_graph(pairs, len(faces)), directed=False)[1]
    return Mesh(mesh.vertices, _flipped(faces, _inside_out(Mesh(mesh.vertices, faces), piece)[piece]))


def _neighbours(faces: Int[np.ndarray, "faces 3"]) -> tuple[Int[np.ndarray, "pairs 2"], Bool[np.ndarray, " pairs"]]:
    """Triangles that share an edge with just one other, and whether the two wind against each other."""
    order, start, size, forward = _edges(faces)
    first = start[size == 2]
    sides = np.stack([order[first], order[first + 1]], axis=1)
    return sides // 3, forward[sides[:, 0]] == forward[sides[:, 1]]


def _edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Half-edges (three per triangle) sorted by edge; where each edge's run starts, its length; their directions."""
    half = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    key = half.min(axis=1) * (int(faces.max(initial=0)) + 1) + half.max(axis=1)
    order = np.argsort(key, kind="stable")
    start = np.flatnonzero(np.diff(key[order], prepend=-1))
    return order, start, np.diff(start, append=len(order)), half[:, 0] < half[:, 1]


def _graph(pairs: np.ndarray, count: int) -> scipy.sparse.coo_matrix:
    return scipy.sparse.coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (count, count))


def _disagreeing(count: int, pairs: np.ndarray, opposed: np.ndarray) -> Bool[np.ndarray, " faces"]:
    """Triangles to flip, the fewer in each piece, so that all neighbours agree.

    Every triangle stands for two nodes, itself and itself flipped, joined to the neighbour's that agrees with it.
    A piece with two sides falls apart into two such halves, each naming one consistent winding.
    """
    if not opposed.any():
        return np.zeros(count, dtype=bool)
    crossing = np.where(opposed, count, 0)
    same = np.stack([pairs[:, 0], pairs[:, 1] + crossing], axis=1)
    other = np.stack([pairs[:, 0] + count, pairs[:, 1] + count - crossing], axis=1)
    halves, half = connected_components(_graph(np.concatenate([same, other]), 2 * count), directed=False)
    upright, flipped = half[:count], half[count:]
    # How many triangles each half would leave as they are.
    votes = np.bincount(upright, minlength=halves)
    return (votes[flipped] > votes[upright]) | ((votes[flipped] == votes[upright]) & (flipped < upright))


def _flipped(faces: np.ndarray, flip: np.ndarray) -> Int[np.ndarray, "faces 3"]:
    return np.where(flip[:, None], faces[:, ::-1], faces)


def _inside_out(mesh: Mesh, piece: Int[np.ndarray, " faces"]) -> Bool[np.ndarray, " pieces"]:
    """Which pieces to turn: closed ones that no other encloses and that have negative volume, and what is in them."""
    count = int(piece.max(initial=-1)) + 1
    order, start, size, _ = _edges(mesh.faces)
    edge_of = np.repeat(np.arange(len(start)), size)
    open_faces = order[(size % 2 == 1)[edge_of]] // 3
    closed = np.ones(count, dtype=bool)
    closed[piece[open_faces]] = False

    centred = mesh.vertices - mesh.vertices.mean(axis=0)
    a, b, c = (centred[mesh.faces[:, corner]] for corner in range(3))
    volume = np.bincount(piece, np.einsum("fd,fd->f", a, np.cross(b, c)) / 6.0, minlength=count)
    turn = closed & (volume < 0.0)
    if closed.sum() < 2:
        return turn
    around = _enclosing(mesh, piece, np.flatnonzero(closed))
    for inner, outer in around.items():
        outermost = max(outer, key=lambda i: abs(volume[i]))
        turn[inner] = volume[outermost] < 0.0
    return turn


def _enclosing(mesh: Mesh, piece: np.ndarray, closed: np.ndarray) -> dict[int, list[int]]:
    """For each closed piece that lies inside others, those others."""
    scene = o3d.t.geometry.RaycastingScene()
    origins = []
    by_piece = np.argsort(piece, kind="stable")
    starts = np.searchsorted(piece[by_piece], closed)
    ends = np.searchsorted(piece[by_piece], closed, side="right")
    for low, high in zip(starts, ends, strict=True):
        used, faces = np.unique(mesh.faces[by_piece[low:high]], return_inverse=True)
        scene.add_triangles(
            o3d.core.Tensor(mesh.vertices[used].astype(np.float32)),
            o3d.core.Tensor(faces.reshape(-1, 3).astype(np.uint32)),
        )
        origins.append(mesh.vertices[used[np.linspace(0, len(used) - 1, _PROBES).astype(int)]])
    found = _crossings(scene, np.concatenate(origins), len(closed))
    inside = (found % 2 == 1).reshape(len(closed), _PROBES, len(closed)).all(axis=1)
    np.fill_diagonal(inside, False)
    return {int(closed[i]): [int(closed[j]) for j in np.flatnonzero(inside[i])] for i in np.flatnonzero(inside.any(1))}


def _crossings(
    scene: o3d.t.geometry.RaycastingScene, origins: Float[np.ndarray, "rays 3"], pieces: int
) -> Int[np.ndarray, "rays pieces"]:
    """How often the ray from each origin crosses each piece."""
    rays = np.concatenate([origins, np.broadcast_to(_DIRECTION, origins.shape)], axis=1).astype(np.float32)
    answer = scene.list_intersections(o3d.core.Tensor(rays))
    counts = np.zeros((len(origins), pieces), dtype=np.int64)
    np.add.at(counts, (answer["ray_ids"].numpy().astype(int), answer["geometry_ids"].numpy().astype(int)), 1)
    return counts

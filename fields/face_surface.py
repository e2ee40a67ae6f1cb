"""A face's surface out of a field's: one piece, without neck and shoulders, ended by a clean edge."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from fields.connected_parts import connected_parts
from fields.mesh import Mesh, submesh

_SNAP_MM = 0.02
"""Vertices this close to the plane are moved onto it: they would make triangles too thin to have a normal."""


def face_surface(
    mesh: Mesh, point: Float[np.ndarray, "3"], normal: Float[np.ndarray, "3"] | tuple[float, float, float] = (0, 1, 0)
) -> Mesh:
    """The largest connected part on one side of a plane, triangles cut exactly along it; open there.

    Args:
        mesh: mm, for example a field's zero level with whatever else it has far from the head.
        point: On the plane, mm.
        normal: To the side that is kept; up by default, which in the head frame cuts a neck horizontally.

    Raises:
        ValueError: Nothing lies on that side, or the normal has no length.
    """
    along = np.asarray(normal, dtype=np.float64)
    if not np.linalg.norm(along) > 0.0:
        raise ValueError("the plane's normal has no length")
    along = along / np.linalg.norm(along)
    heights = (mesh.vertices - point) @ along
    near = np.abs(heights) < _SNAP_MM
    vertices = mesh.vertices - np.where(near, heights, 0.0)[:, None] * along
    # Cut first: what the plane cuts off can hold together what is left.
    return largest_component(_cut(Mesh(vertices, mesh.faces), np.where(near, 0.0, heights)))


def largest_component(mesh: Mesh) -> Mesh:
    """The connected part of the largest area, and the vertices it uses.

    Raises:
        ValueError: The mesh has no triangles.
    """
    if not len(mesh.faces):
        raise ValueError("no surface is left")
    parts = connected_parts(mesh)
    areas = np.bincount(parts[mesh.faces[:, 0]], mesh.face_areas())
    return submesh(mesh, parts == areas.argmax())


def _cut(mesh: Mesh, heights: Float[np.ndarray, " vertices"]) -> Mesh:
    """The part where heights are positive, which are linear on each triangle; exact. Unused vertices stay."""
    signs = np.sign(heights).astype(np.int8)
    corners = signs[mesh.faces]
    above, below = (corners > 0).sum(axis=1), (corners < 0).sum(axis=1)
    new = _NewVertices(mesh.faces, signs)
    parts = [mesh.faces[(below == 0) & (above > 0)]]
    # Triangles are turned so that the corner that is alone of its kind comes first; the winding stays.
    a, b, c = _turned(mesh.faces, corners, (above == 1) & (below == 2), 1)
    parts.append(np.stack([a, new.between(a, b), new.between(a, c)], axis=1))
    a, b, c = _turned(mesh.faces, corners, (above == 2) & (below == 1), -1)
    on_ab, on_ac = new.between(a, b), new.between(a, c)
    parts += [np.stack([on_ab, b, c], axis=1), np.stack([on_ab, c, on_ac], axis=1)]
    # One corner on the plane and one on either side: the kept part is the upper half.
    a, b, c = _turned(mesh.faces, corners, (above == 1) & (below == 1), 0)
    on_bc = new.between(b, c)
    b_above = (signs[b] > 0)[:, None]
    parts.append(np.where(b_above, np.stack([a, b, on_bc], axis=1), np.stack([a, on_bc, c], axis=1)))
    first, second = new.edges.T
    shares = (heights[first] / (heights[first] - heights[second]))[:, None]
    points = (1.0 - shares) * mesh.vertices[first] + shares * mesh.vertices[second]
    faces = np.concatenate(parts).astype(np.int32)
    return Mesh(np.concatenate([mesh.vertices, points]), faces)


class _NewVertices:
    """A vertex on every edge that crosses the plane, shared by the triangles on both sides of the edge."""

    def __init__(self, faces: Int[np.ndarray, "faces 3"], signs: Int[np.ndarray, " vertices"]):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        edges = edges[signs[edges[:, 0]] * signs[edges[:, 1]] < 0].astype(np.int64)
        self._count = len(signs)
        self._keys = np.unique(self._key(edges[:, 0], edges[:, 1]))
        self.edges: Int[np.ndarray, "new 2"] = np.stack([self._keys // self._count, self._keys % self._count], axis=1)

    def between(self, a: Int[np.ndarray, " edges"], b: Int[np.ndarray, " edges"]) -> Int[np.ndarray, " edges"]:
        """Indices of the vertices on edges from `a` to `b`, counted on from the old ones."""
        return self._count + np.searchsorted(self._keys, self._key(a, b))

    def _key(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.minimum(a, b).astype(np.int64) * self._count + np.maximum(a, b)


def _turned(faces: np.ndarray, corners: np.ndarray, which: np.ndarray, alone: int) -> np.ndarray:
    """Corners a, b, c of some triangles, a being the one whose sign is `alone`."""
    first = np.argmax(corners[which] == alone, axis=1)
    return np.take_along_axis(faces[which], (first[:, None] + np.arange(3)) % 3, axis=1).T

"""Texture coordinates for the closed head: the skin in one chart with the face upright in its middle.

The neck's flat cap is taken away and gets a small chart in a corner; the rest is cut down the back midline, from the
crown to the cap's rim, so that it is a disc, and flattened.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components, dijkstra

from data.flatten import BORDER_POWER, flatten
from fields.mesh import Mesh

CAP_HEIGHT_MM = 3.0
"""The cap's triangles lie within this height over the lowest point: its rim is rounded by the meshing."""
CAP_FACING = -0.7
"""… and the y of their unit normals is below this."""
SEAM_WIDTH_MM = 5.0
"""An edge so far from the midline costs the seam twice its length."""
FACE_DETAIL = 3.0
"""Stretch at the face's front counts up to this much more, so that the face gets more texels."""
MARGIN = 0.01
"""Free space around the charts, of the square's side."""


@dataclasses.dataclass(frozen=True)
class UV:
    """Texture coordinates with their own indices, since the seams' vertices have several."""

    uv: Float[np.ndarray, "coordinates 2"]
    """In 0..1; u to the right as seen from the front (subject's left), v up."""
    faces: Int[np.ndarray, "faces 3"]
    """For each corner of the mesh's triangles its row in `uv`. Counter-clockwise, as the triangles are."""


def unwrap(mesh: Mesh) -> UV:
    """Texture coordinates without folds or overlaps for a closed head (mm, y up) whose neck is cut level.

    Raises:
        ValueError: if the mesh is not one closed surface of genus 0, has no flat cap below, or has triangles too thin.
    """
    twins = _twins(mesh)
    cap = _cap(mesh, twins)
    seam = _seam(mesh, twins, cap)
    corners = _split(mesh, twins, cap, seam)
    vertex_of = np.empty(corners.max() + 1, dtype=np.int64)
    vertex_of[corners] = mesh.faces
    # A head model's origin lies inside the head: what is in front of it and looks forward is the face.
    face = mesh.face_normals()[:, 2].clip(0.0, None)
    face *= (mesh.vertices[mesh.faces].mean(axis=1)[:, 2] / mesh.vertices[:, 2].max()).clip(0.0, None)
    radius = 0.5 - MARGIN
    # The cap's square fits between the skin's border and the lower right corner.
    room = 0.5 * (radius * (1.0 - 0.5 ** (1.0 / BORDER_POWER)) - 0.5 * MARGIN)
    uv = np.zeros((len(vertex_of), 2))
    for part, start, centre, size in (
        (~cap, seam[0], (0.5, 0.5), radius),
        (cap, seam[-1], (1.0 - MARGIN - room, MARGIN + room), room),
    ):
        used, faces = np.unique(corners[part], return_inverse=True)
        faces = faces.reshape(-1, 3)
        loop = _border(faces)
        loop = np.roll(loop, -int(np.flatnonzero(vertex_of[used[loop]] == start)[0]))
        disc = Mesh(mesh.vertices[vertex_of[used]], faces)
        uv[used] = np.array(centre) + size * flatten(disc, loop, 1.0 + (FACE_DETAIL - 1.0) * face[part])
    return UV(uv, corners.astype(np.int32))


def _half_edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the half-edges 3·face + corner, each from that corner to the next."""
    return faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel().astype(np.int64)


def _twins(mesh: Mesh) -> np.ndarray:
    """For each half-edge the one that runs the other way."""
    starts, ends = _half_edges(mesh.faces)
    count = len(mesh.vertices)
    keys, reverse = starts * count + ends, ends * count + starts
    order = np.argsort(keys)
    at = np.searchsorted(keys, reverse, sorter=order).clip(max=len(keys) - 1)
    twins = order[at]
    parts, _ = _face_components(twins, np.ones(len(keys), dtype=bool))
    used = len(np.unique(mesh.faces))
    if (keys[twins] != reverse).any() or (np.diff(keys[order]) == 0).any() or parts != 1:
        raise ValueError("a mesh can be unwrapped only if it is one closed surface: close it first")
    if used - len(keys) // 2 + len(mesh.faces) != 2:
        raise ValueError("a mesh can be unwrapped only if it has no handles (genus 0)")
    return twins


def _face_components(twins: np.ndarray, joined: np.ndarray) -> tuple[int, np.ndarray]:
    """Count and labels of the faces' components across the half-edges in the mask `joined`."""
    edges = np.flatnonzero(joined)
    return connected_components(
        sp.coo_matrix((np.ones(len(edges)), (edges // 3, twins[edges] // 3)), shape=(len(twins) // 3,) * 2),
        directed=False,
    )


def _cap(mesh: Mesh, twins: np.ndarray) -> np.ndarray:
    """Mask of the flat cap's triangles; it and the rest are discs."""
    height = mesh.vertices[:, 1] - mesh.vertices[:, 1].min()
    cap = (height[mesh.faces] < CAP_HEIGHT_MM).all(axis=1) & (mesh.face_normals()[:, 1] < CAP_FACING)
    if not cap.any():
        raise ValueError("a head can be unwrapped only if its neck ends in a flat cap")
    sides = np.repeat(cap, 3)
    for wanted in (True, False):  # the cap's largest piece; then the rest's, and its islands go to the cap
        _, label = _face_components(twins, (sides == wanted) & (sides[twins] == wanted))
        of_wanted = label[sides[::3] == wanted]
        largest = label == np.bincount(of_wanted).argmax()
        sides = np.repeat(largest == wanted, 3)
    return sides[::3]


def _seam(mesh: Mesh, twins: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """Vertices of the shortest way in the back midline from the crown to the cap's rim."""
    vertices, (starts, ends) = mesh.vertices, _half_edges(mesh.faces)
    midline = np.flatnonzero(np.abs(vertices[:, 0]) < SEAM_WIDTH_MM)
    crown = int(midline[np.argmax(vertices[midline, 1])])
    in_cap = np.repeat(cap, 3)
    rim = np.unique(starts[in_cap & ~in_cap[twins]])
    back = rim[vertices[rim, 2] < vertices[crown, 2]]
    middle = 0.5 * (vertices[starts] + vertices[ends])
    # Off the midline and in front of the crown an edge costs more than it is long.
    before = (middle[:, 2] - vertices[crown, 2]).clip(0.0, None)
    cost = 1.0 + (np.abs(middle[:, 0]) + before) / SEAM_WIDTH_MM
    cost *= np.linalg.norm(vertices[starts] - vertices[ends], axis=1)
    of_skin = ~in_cap
    graph = sp.csr_matrix((cost[of_skin], (starts[of_skin], ends[of_skin])), shape=(len(vertices),) * 2)
    distance, before_it = dijkstra(graph, directed=False, indices=crown, return_predecessors=True)
    path = [int(back[np.argmin(distance[back])])]
    while path[-1] != crown:
        path.append(int(before_it[path[-1]]))
    return np.array(path[::-1])


def _split(mesh: Mesh, twins: np.ndarray, cap: np.ndarray, seam: np.ndarray) -> np.ndarray:
    """Indices of coordinates at the corners; a vertex has one, or one on each side of the seam and the cap's rim."""
    starts, ends = _half_edges(mesh.faces)
    count = len(mesh.vertices)
    seam_keys = np.concatenate([seam[:-1] * count + seam[1:], seam[1:] * count + seam[:-1]])
    in_cap = np.repeat(cap, 3)
    whole = np.flatnonzero((in_cap == in_cap[twins]) & ~np.isin(starts * count + ends, seam_keys))
    after = 3 * (twins[whole] // 3) + (twins[whole] + 1) % 3  # the corner where the twin ends, and the half-edge starts
    size = len(starts)
    _, label = connected_components(sp.coo_matrix((np.ones(len(whole)), (whole, after)), shape=(size, size)), False)
    return label.reshape(-1, 3).astype(np.int64)


def _border(faces: np.ndarray) -> np.ndarray:
    """The border of a disc as one counter-clockwise loop of indices."""
    starts, ends = _half_edges(faces)
    size = faces.max() + 1
    open_ = ~np.isin(starts * size + ends, ends * size + starts)
    after = dict(zip(starts[open_].tolist(), ends[open_].tolist(), strict=True))
    loop = [int(starts[open_][0])]
    while after[loop[-1]] != loop[0]:
        loop.append(after[loop[-1]])
    if len(loop) != open_.sum():
        raise ValueError("the skin could not be cut into a disc")
    return np.array(loop)

"""The line between the lips: where an opening parts them on a head model, and where it runs on a closed head.

A closed head has no gap between the lips; along the deepest line between them its vertices become the membrane that
spans the open mouth.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import dijkstra

from data.landmark_rules import Relief
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError

_STEP_MM = 1.0
"""Between columns across the mouth."""
_FINE_MM = 0.2
"""Between samples up a column."""
_HALF_WIDTH_MM = 45.0
_PARTED_MM = 2.0
"""Neighbouring samples that come this much farther apart lie on different lips: ten times the gap between them."""
_LEAST_WIDTH_MM = 20.0
_FAR_MM = 400.0
"""In front of every face."""
_SEARCH_MM = 4.0
"""How far the deepest line of a head may lie from where the model's lips part."""
_BOWL_MM = 2.0
"""A valley's depth is told against the surface so far above and below it."""
_SMOOTH_MM = 3.0
_NEAR_LINE_MM = 0.7
"""Off the line by this, an edge costs the membrane's path twice its length."""


@dataclasses.dataclass(frozen=True)
class LipLine:
    """The line between the lips from the right corner to the left, seen from the front; head frame, mm."""

    points: Float[np.ndarray, "columns 3"]
    """Ascending in x."""

    def height(self, x: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
        """y of the line; beyond the corners that of the corner."""
        return np.interp(x, self.points[:, 0], self.points[:, 1])

    def between_corners(self, x: Float[np.ndarray, " points"]) -> Bool[np.ndarray, " points"]:
        """Whether columns lie between the corners."""
        return (x > self.points[0, 0]) & (x < self.points[-1, 0])


def parting_line(
    skin: Mesh, displacement: Float[np.ndarray, "vertices 3"], low: float, high: float
) -> tuple[LipLine, Float[np.ndarray, " columns"]]:
    """Where an opening parts the lips of a model (head frame, mm), between two heights; and at each column the y
    displacement half-way between the lips'.

    Raises:
        InputError: Nothing opens there.
    """
    x = np.arange(-_HALF_WIDTH_MM, _HALF_WIDTH_MM + 0.5 * _STEP_MM, _STEP_MM)
    y = np.arange(low, high, _FINE_MM)
    origins = np.stack(np.broadcast_arrays(x[:, None], y[None, :], _FAR_MM), axis=-1).reshape(-1, 3)
    hits = DistanceScene(skin).cast(origins, np.broadcast_to([0.0, 0.0, -1.0], origins.shape))
    down = np.einsum("pc,pc->p", hits.barycentric, displacement[skin.faces[hits.face_ids], 1]).reshape(len(x), len(y))
    # Through open lips a ray may meet the back of the head from inside.
    seen = (hits.hit & (skin.face_normals()[hits.face_ids, 2] > 0.0)).reshape(len(x), len(y))
    z = (_FAR_MM - hits.distance).reshape(len(x), len(y))
    points, middles = [], []
    for column in range(len(x)):
        rows = np.flatnonzero(seen[column])
        if len(rows) < 2:
            continue
        parted = np.diff(down[column, rows])
        k = int(np.argmax(parted))
        if parted[k] > _PARTED_MM:
            pair = rows[[k, k + 1]]
            points.append([x[column], y[pair].mean(), z[column, pair].mean()])
            middles.append(down[column, pair].mean())
    width = points[-1][0] - points[0][0] if points else 0.0
    if width < _LEAST_WIDTH_MM:
        raise InputError("the expression parts no lips; give a model whose jaw opens")
    return LipLine(np.array(points)), np.array(middles)


def valley_line(head: Mesh, near: LipLine) -> LipLine:
    """The deepest line between a closed head's lips, near a line known from elsewhere."""
    x, guess = near.points[:, 0], near.points[:, 1]
    relief = Relief(DistanceScene(head))
    off = np.arange(-_SEARCH_MM - _BOWL_MM, _SEARCH_MM + _BOWL_MM + 1e-9, _FINE_MM)
    z = relief.front(x[:, None], guess[:, None] + off)
    reach = round(_BOWL_MM / _FINE_MM)
    bowl = np.minimum(z[:, 2 * reach :], z[:, : -2 * reach]) - z[:, reach:-reach]
    best = np.argmax(bowl, axis=1)
    weight = np.maximum(bowl[np.arange(len(x)), best], 0.0) + 1e-3
    shift = off[reach:-reach][best]
    sigma = _SMOOTH_MM / _STEP_MM
    smooth = gaussian_filter1d(weight * shift, sigma) / gaussian_filter1d(weight, sigma)
    y = guess + smooth
    return LipLine(np.stack([x, y, relief.front(x, y)], axis=1))


def membrane_path(head: Mesh, line: LipLine) -> Int[np.ndarray, " path"]:
    """Vertices of the head along the line, each joined to the next by an edge, from corner to corner."""
    vertices = head.vertices
    edges = head.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    middle = vertices[edges].mean(axis=1)
    near = np.flatnonzero(np.linalg.norm(middle - line.points.mean(axis=0), axis=1) < 2 * _HALF_WIDTH_MM)
    edges, middle = edges[near], middle[near]
    off = np.sqrt(((middle[:, None] - line.points[None]) ** 2).sum(-1).min(axis=1))
    cost = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1) * (1.0 + (off / _NEAR_LINE_MM) ** 2)
    graph = sp.csr_matrix((cost, (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)
    start, end = (int(np.argmin(((vertices - corner) ** 2).sum(axis=1))) for corner in line.points[[0, -1]])
    _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    path = [end]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])

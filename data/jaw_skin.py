"""What the skin of a prior's closed head does as the jaw opens, carried over from a model laid on that head.

Every vertex takes the displacement of the model's skin there, upper lip from upper lip and lower from lower. Over the
chin the skin rides on the bone, so that it stays as thick as it is; above a line from the philtrum over the cheeks to
below the ears nothing moves; and the vertices along the line between the lips become a membrane behind them.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int

from data.lip_line import LipLine, membrane_path, parting_line, valley_line
from data.mandible_motion import MandibleMotion
from data.prior import AnatomyPrior
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh, transform_points

_MATCHED_MM = 4.0
_FACING = 0.3
_LINE_REACH_MM = 6.0
"""Matching follows the head's line between the lips rather than the model's within this distance (sd of a Gaussian)."""
_LIPS_REACH_MM = 12.0
"""How far above and below the line skin belongs to one of the lips."""
_CHIN_KEYS = ("mmb_r", "me", "gn", "pg", "gn", "me", "mmb_l")
_CHIN_MM = 16.0
"""How far the chin's ride on the bone reaches (sd of a Gaussian)."""
_FADE_MM = 16.0
"""Height in which the motion fades below the line where it ends."""
_NOTHING_MM = 0.3
"""Displacements are shortened by this, to zero if they are less."""
_MEMBRANE_DEPTH = 0.2
"""How far the membrane lies behind the lips, of the gap between them."""
_SMOOTHINGS = 6
_EVEN_MM = 2.5
"""Along the lips, over which the edges of the open mouth are made even (sd of a Gaussian)."""


def skin_displacement(
    model: Mesh, displacement: Float[np.ndarray, "model_vertices 3"], prior: AnatomyPrior, motion: MandibleMotion
) -> Float[np.ndarray, "vertices 3"]:
    """Displacement of the prior's head at weight 1, mm.

    Args:
        model: A model's outer skin, laid on the prior's mean head; head frame.
        displacement: Of its vertices at weight 1.
        prior: Whose head it is.
        motion: Of the mandible, head frame.

    Raises:
        InputError: The displacement parts no lips.
    """
    head, marks = prior.head_mesh(), prior.landmark_points()
    parting, middle = parting_line(model, displacement, marks["id"][1] - 10.0, marks["pr"][1] + 8.0)
    valley = valley_line(head, parting)
    path = membrane_path(head, valley)
    line = LipLine(head.vertices[path][np.argsort(head.vertices[path, 0])])
    upper = head.vertices[:, 1] > line.height(head.vertices[:, 0])
    skin, held = _matched(head, upper, line, model, displacement, parting, middle)
    held[path] = False
    graph = _adjacency(head)
    # Neither filling in nor smoothing may reach across the membrane's path from lip to lip.
    apart = np.ones(len(head.vertices), dtype=bool)
    apart[path] = False
    lips = _parted(graph, apart, upper, line, head.vertices)
    skin = _filled(lips, skin, held, apart)
    skin = _on_bone(skin, prior, head, motion, upper & _near(head.vertices, line, _LIPS_REACH_MM))
    skin *= _mobility(head.vertices, marks)[:, None]
    average = _averaging(lips)
    for _ in range(_SMOOTHINGS):
        skin[apart] = (0.5 * (skin + average @ skin))[apart]
    length = np.linalg.norm(skin, axis=1, keepdims=True)
    skin *= np.maximum(1.0 - _NOTHING_MM / np.maximum(length, 1e-9), 0.0)
    skin[path] = _membrane(graph, path, upper, apart, skin)
    return _even(head, graph, path, upper, skin)


def _near(points: np.ndarray, line: LipLine, reach: float) -> Bool[np.ndarray, " points"]:
    """In front, between the corners, not farther than `reach` above or below the line."""
    return (
        line.between_corners(points[:, 0])
        & (np.abs(points[:, 1] - line.height(points[:, 0])) < reach)
        & (points[:, 2] > line.points[:, 2].min() - reach)
    )


def _matched(
    head: Mesh,
    upper: np.ndarray,
    line: LipLine,
    model: Mesh,
    displacement: np.ndarray,
    parting: LipLine,
    middle: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of the head's vertices from the nearest skin of the model, and where there is any."""
    centroids = model.vertices[model.faces].mean(axis=1)
    of_lips = _near(centroids, parting, _LIPS_REACH_MM)
    drop = displacement[model.faces, 1].mean(axis=1) < np.interp(centroids[:, 0], parting.points[:, 0], middle)
    x, y, _ = head.vertices.T
    # The model's line comes to lie on the head's.
    aside = parting.height(x) - line.height(x)
    distance = np.sqrt(((head.vertices[:, None] - line.points[None]) ** 2).sum(-1).min(axis=1))
    query = head.vertices.copy()
    query[:, 1] += aside * np.exp(-0.5 * (distance / _LINE_REACH_MM) ** 2)
    normals = head.vertex_normals()
    skin, held = np.zeros_like(head.vertices), np.zeros(len(y), dtype=bool)
    for side in (True, False):
        faces = model.faces[~of_lips | (drop != side)]
        part = Mesh(model.vertices, faces)
        rows = np.flatnonzero(upper == side)
        near = DistanceScene(part).closest(query[rows])
        facing = np.einsum("pd,pd->p", part.face_normals()[near.face_ids], normals[rows])
        gap = np.linalg.norm(near.points - query[rows], axis=1)
        skin[rows] = np.einsum("pc,pcd->pd", near.barycentric, displacement[faces[near.face_ids]])
        held[rows] = (gap < _MATCHED_MM) & (facing > _FACING)
    return skin, held


def _adjacency(mesh: Mesh) -> sp.csr_matrix:
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    graph = sp.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(mesh.vertices),) * 2)
    return ((graph + graph.T) > 0).astype(np.float64)


def _parted(
    graph: sp.csr_matrix, apart: np.ndarray, upper: np.ndarray, line: LipLine, vertices: np.ndarray
) -> sp.csr_matrix:
    """The graph without the membrane's path and without edges from lip to lip."""
    edges = graph.tocoo()
    lips = _near(vertices, line, _LIPS_REACH_MM)
    across = lips[edges.row] & lips[edges.col] & (upper[edges.row] != upper[edges.col])
    keep = apart[edges.row] & apart[edges.col] & ~across
    return sp.csr_matrix((edges.data[keep], (edges.row[keep], edges.col[keep])), shape=graph.shape)


def _averaging(graph: sp.csr_matrix) -> sp.csr_matrix:
    """Mean over the neighbours; the vertex itself where there are none."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    return sp.diags(1.0 / np.maximum(degree, 1.0)) @ graph + sp.diags((degree == 0).astype(float))


def _filled(graph: sp.csr_matrix, values: np.ndarray, held: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Harmonic values at the wanted vertices that are not held."""
    free = np.flatnonzero(~held & wanted)
    laplacian = (sp.eye(len(values)) * (1.0 + 1e-9) - _averaging(graph)).tocsr()[free]
    solve = scipy.sparse.linalg.factorized(laplacian[:, free].tocsc())
    given = laplacian[:, np.flatnonzero(held)] @ values[held]
    result = values.copy()
    result[free] = np.stack([solve(-given[:, axis]) for axis in range(3)], axis=1)
    return result


def _on_bone(
    skin: np.ndarray, prior: AnatomyPrior, head: Mesh, motion: MandibleMotion, upper_lip: np.ndarray
) -> np.ndarray:
    """The displacement drawn to the bone's over the chin."""
    rows = [prior.control_names.index(key) for key in _CHIN_KEYS]
    chin = SurfacePoints.of(head, prior.tie_faces[rows], prior.tie_weights[rows]).points
    steps = np.linspace(0.0, 1.0, 9)[:, None]
    chain = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(chin)])
    squared = ((head.vertices[:, None] - chain[None]) ** 2).sum(-1).min(axis=1)
    share = np.where(upper_lip, 0.0, np.exp(-0.5 * squared / _CHIN_MM**2))[:, None]
    ridden = transform_points(np.asarray(motion.at(1.0), np.float64), head.vertices) - head.vertices
    return skin + share * (ridden - skin)


def _mobility(points: np.ndarray, marks: dict[str, np.ndarray]) -> Float[np.ndarray, " points"]:
    """From 0 on and above the line where motion ends to 1 below it: under the nose it lies at the philtrum's middle,
    beside the nose it rises to the Frankfurt plane, and behind the condyles it falls to below the ears."""
    across = np.abs(points[:, 0])
    rise = _ramp(across, abs(marks["ac_l"][0]), 0.5 * (abs(marks["ac_l"][0]) + abs(marks["zy_l"][0])))
    top = marks["mp"][1] * (1.0 - rise)
    behind = 1.0 - _ramp(points[:, 2], 10.0, 32.0)
    top += behind * (marks["go_l"][1] + 5.0 - top)
    return 1.0 - _ramp(points[:, 1], top - _FADE_MM, top)


def _ramp(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """0 below, 1 above, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _even(head: Mesh, graph: sp.csr_matrix, path: np.ndarray, upper: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The displacement with the edges of the open lips, next to the membrane, and the membrane itself made even: the
    mesh does not follow the lips, so its vertices there lie in zigzag."""
    along = np.zeros(len(skin))
    places = head.vertices[path]
    along[path] = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    beside = np.setdiff1d(graph[path].indices, path)
    along[beside] = along[path[np.argmin(((head.vertices[beside][:, None] - places) ** 2).sum(-1), axis=1)]]
    result = skin.copy()
    for row in (path, beside[upper[beside]], beside[~upper[beside]]):
        where = along[row]
        ends = np.minimum(where, along[path[-1]] - where)
        weight = np.exp(-0.5 * ((where[:, None] - where) / _EVEN_MM) ** 2)
        opened = head.vertices[row] + skin[row]
        # A local straight line, or the bow of the lip would shrink; the corners stay.
        smooth = _local_lines(where, opened, weight)
        share = _ramp(ends, 0.0, 2.0 * _EVEN_MM)[:, None]
        result[row] += share * (smooth - opened)
    return result


def _local_lines(at: np.ndarray, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted local linear regression (Cleveland 1979) of values (N, 3) at their own places."""
    total = weight.sum(axis=1)
    centre = weight @ at / total
    mean = weight @ values / total[:, None]
    spread = (weight * (at[None] - centre[:, None]) ** 2).sum(axis=1)
    slope = (weight * (at[None] - centre[:, None])) @ values / np.maximum(spread, 1e-9)[:, None]
    return mean + slope * (at - centre)[:, None]


def _membrane(
    graph: sp.csr_matrix, path: Int[np.ndarray, " path"], upper: np.ndarray, apart: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """Displacement of the path: half-way between the lips, and inwards by a part of the gap."""
    result = np.zeros((len(path), 3))
    for k, vertex in enumerate(path):
        beside = graph.indices[graph.indptr[vertex] : graph.indptr[vertex + 1]]
        beside = beside[apart[beside]]
        lips = [skin[beside[upper[beside] == side]] for side in (True, False)]
        means = [lip.mean(axis=0) for lip in lips if len(lip)]
        result[k] = np.mean(means, axis=0)
        if len(means) == 2:
            result[k, 2] -= _MEMBRANE_DEPTH * np.linalg.norm(means[0] - means[1])
    return result

"""A mesh moved along its normals onto a field's zero level: its topology, UVs and rig, the field's surface.

Each vertex x with normal n looks for f(x + t n) = 0, from inside to outside, as near to t = 0 as there is one within
reach. All t are smoothed by no more than `_SLACK_MM`. Where there is none, or the mesh would fold, the vertex follows
its neighbours: the moves that differ least from theirs, in the sum of squares (harmonic), in the end from none.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.linalg import splu

from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction

REACH_MM = 8.0
"""How far a fitted head is off its target at most, where it is the same part."""

_STEP_MM = 1.0
"""Between samples along a normal; what is thinner, such as a slit between lips, can be missed."""
_REFINEMENTS = 8
"""Steps of the Illinois method within `_STEP_MM`."""
_LEAST_RISE = 0.3
"""Of f along the normal where it is met; less is grazing, and says little of where the vertex belongs."""
_STEEPEST = 1.0
"""Difference of t to the mean of the neighbours', in their mean distance. More is another part's surface."""
_LEAST_FACING = 0.2
"""Cosine between a triangle's normals before and after; less is a fold."""
_FOLD_ROUNDS = 30
"""Tried at most; each draws back a little more of the mesh, and heads need 5 to 15."""
_FOLD_PULL = 0.25
_LEAST_PULL = 1e-6
"""For parts where nothing met the surface, which stay where they are."""
_TURNS = 3
"""Times that a normal is averaged with its neighbours' before a vertex is moved along it."""
_SLACK_MM = 0.03
_SMOOTHINGS = 3


@dataclasses.dataclass(frozen=True)
class OntoSurface:
    """A mesh on a field's zero level."""

    mesh: Mesh
    """mm, of the topology that was given."""
    met: Bool[np.ndarray, " vertices"]
    """Vertices that met the surface, and lie on it to `_SLACK_MM` along their normals; the others follow them."""


def onto_surface(
    mesh: Mesh,
    distances: DistanceFunction,
    *,
    reach_mm: float = REACH_MM,
    seeking: Bool[np.ndarray, " vertices"] | None = None,
) -> OntoSurface:
    """Move a mesh's vertices along their normals onto f = 0.

    Args:
        mesh: mm, near the surface and wound outward; open or closed.
        distances: mm, negative inside; any number of points per call.
        reach_mm: How far a vertex is moved at most, in or out.
        seeking: Vertices that may be moved onto the surface, all by default. Eyeballs and what lies inside a mouth
            should not: they follow the skin that they hang together with, or stay.

    Raises:
        ValueError: The field is not finite within reach of the mesh.
    """
    neighbours = _neighbours(mesh)
    directions = _directions(mesh, neighbours)
    wanted, met = _crossings(mesh.vertices, directions, distances, reach_mm)
    met &= (np.abs(directions).sum(axis=1) > 0.0) & (True if seeking is None else seeking)
    met &= ~_steep(mesh, neighbours, wanted, met)
    before = mesh.face_normals()
    pull = np.full(len(met), _LEAST_PULL)
    for number in range(_FOLD_ROUNDS):
        moves = _filled(neighbours, _smoothed(neighbours, wanted, met)[:, None] * directions, met, pull)
        moved = Mesh(mesh.vertices + moves, mesh.faces)
        facing = np.einsum("fd,fd->f", before, moved.face_normals())
        folded = mesh.faces[(facing < _LEAST_FACING) & (np.abs(before).sum(axis=1) > 0.0)]
        if not len(folded) or number == _FOLD_ROUNDS - 1:
            break
        # Filled in, and drawn to where they were, ever more strongly: there nothing was folded.
        met[folded] = False
        pull[folded] = np.maximum(4.0 * pull[folded], _FOLD_PULL)
    return OntoSurface(moved, met)


def _directions(mesh: Mesh, neighbours: sparse.csr_array) -> Float[np.ndarray, "vertices 3"]:
    """Normals that turn slowly from vertex to vertex, so that those in a groove do not meet at once."""
    directions = mesh.vertex_normals()
    for _ in range(_TURNS):
        directions = directions + neighbours @ directions / np.maximum(neighbours.sum(axis=1), 1.0)[:, None]
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    return directions


def _crossings(
    points: np.ndarray, normals: np.ndarray, distances: DistanceFunction, reach_mm: float
) -> tuple[Float[np.ndarray, " vertices"], Bool[np.ndarray, " vertices"]]:
    """How far each point is from the nearest place on its normal where the field turns from inside to outside, and
    whether there is one."""
    steps = max(int(np.ceil(reach_mm / _STEP_MM)), 1)
    reaches = np.linspace(-reach_mm, reach_mm, 2 * steps + 1)

    def along(which: np.ndarray, moves: np.ndarray) -> np.ndarray:
        places = points[which][:, None] + moves[:, :, None] * normals[which][:, None]
        found = np.asarray(distances(places.reshape(-1, 3)), dtype=np.float64).reshape(moves.shape)
        if not np.isfinite(found).all():
            raise ValueError(f"the field is not finite within {reach_mm:g} mm of the mesh")
        return found

    everyone = np.arange(len(points))
    samples = along(everyone, np.broadcast_to(reaches, (len(points), len(reaches))))
    leaves = (samples[:, :-1] < 0.0) & (samples[:, 1:] >= 0.0)
    rise = np.where(leaves, samples[:, 1:] - samples[:, :-1], 1.0)
    zeros = reaches[:-1] - np.where(leaves, samples[:, :-1], 0.0) / rise * (reaches[1] - reaches[0])
    nearest = np.argmin(np.where(leaves, np.abs(zeros), np.inf), axis=1)
    met = np.asarray(leaves.any(axis=1))
    which, first = np.flatnonzero(met), nearest[met]
    low, high = reaches[first], reaches[first + 1]
    f_low, f_high = samples[which, first], samples[which, first + 1]
    at = zeros[which, first]
    slopes = (f_high - f_low) / (high - low)
    # Illinois: Dowell and Jarratt, "A modified regula falsi method", BIT 11, 1971.
    side = np.zeros(len(which), dtype=int)
    for _ in range(_REFINEMENTS):
        value = along(which, at[:, None])[:, 0]
        inside = value < 0.0
        f_high = np.where(inside & (side == 1), 0.5 * f_high, f_high)
        f_low = np.where(~inside & (side == -1), 0.5 * f_low, f_low)
        low, f_low = np.where(inside, at, low), np.where(inside, value, f_low)
        high, f_high = np.where(inside, high, at), np.where(inside, f_high, value)
        side = np.where(inside, 1, -1)
        width = f_high - f_low
        at = low - np.where(width > 0.0, f_low / np.where(width > 0.0, width, 1.0), 0.0) * (high - low)
    wanted = np.zeros(len(points))
    wanted[which] = at
    met[which] = slopes > _LEAST_RISE
    return wanted, met


def _neighbours(mesh: Mesh) -> sparse.csr_array:
    """1 for each pair of vertices with a common edge."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    count = len(mesh.vertices)
    graph = sparse.csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    graph = graph + graph.T
    graph.data[:] = 1.0
    return graph


def _steep(
    mesh: Mesh, neighbours: sparse.csr_array, wanted: np.ndarray, met: np.ndarray
) -> Bool[np.ndarray, " vertices"]:
    """Vertices that would go elsewhere than those around them that met the surface."""
    share = neighbours @ met.astype(float)
    mean = neighbours @ np.where(met, wanted, 0.0) / np.maximum(share, 1.0)
    pairs = neighbours.tocoo()
    lengths = np.linalg.norm(mesh.vertices[pairs.row] - mesh.vertices[pairs.col], axis=1)
    spread = np.bincount(pairs.row, lengths, minlength=len(met)) / np.maximum(neighbours.sum(axis=1), 1.0)
    return met & (share > 0.0) & (np.abs(wanted - mean) > _STEEPEST * spread)


def _smoothed(neighbours: sparse.csr_array, wanted: np.ndarray, met: np.ndarray) -> Float[np.ndarray, " vertices"]:
    """Less rough among those that met the surface, by no more than `_SLACK_MM`; zero elsewhere."""
    share = neighbours @ met.astype(float)
    smooth = wanted = np.where(met, wanted, 0.0)
    for _ in range(_SMOOTHINGS):
        mean = np.where(share > 0.0, neighbours @ smooth / np.maximum(share, 1.0), smooth)
        smooth = np.where(met, np.clip(0.5 * (smooth + mean), wanted - _SLACK_MM, wanted + _SLACK_MM), 0.0)
    return smooth


def _filled(
    neighbours: sparse.csr_array, moves: np.ndarray, met: np.ndarray, pull: np.ndarray
) -> Float[np.ndarray, "vertices 3"]:
    """Moves where they are known; elsewhere those that differ least from their neighbours' and, weighted by `pull`,
    from none."""
    unknown = np.flatnonzero(~met)
    if not len(unknown):
        return moves
    rows = neighbours[unknown]
    known = np.where(met[:, None], moves, 0.0)
    inner = sparse.diags_array(rows.sum(axis=1) + pull[unknown]) - rows[:, unknown]
    filled = known.copy()
    filled[unknown] = splu(inner.tocsc()).solve(rows @ known)
    return filled

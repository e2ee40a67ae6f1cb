"""The dental arches of a skull whose jaws are closed: where the crowns are, read off the bone's own relief.

The buccal side of both arches is unrolled into a picture: horizontally the arc length along the arch, vertically the
height, and as grey value how far the bone stands out. Grooves between crowns, between the rows and along the alveolar
margins are valleys of that picture. Each is found as the cheapest path through a narrow corridor about where the
template has it (dynamic programming, as in Amini, Weymouth, Jain, "Using dynamic programming for solving variational
problems in vision", PAMI 1990), so it follows a skull that a warp has bent.

Left and right are averaged before, so both sides get the same teeth. The template has seven teeth on each side above
and eight below: no upper third molars.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from fields.distance import DistanceScene
from fields.mesh import Mesh

_STEP_MM = 0.25
"""Pixel of the unrolled picture."""
_FINE_MM = 0.75
"""Standard deviation of the filter that finds valleys: a third of the narrowest crown's half width."""
_REACH_MM = 1.5
"""How far a groove may lie from where the template has it."""
_STAND_OFF_MM = 8.0
"""Rays start this far in front of the arch."""
_TURN_DEG = 95.0
_CENTRE_BEHIND_MM = 43.0
"""The arch is star-shaped about a point this far behind prosthion."""

# Read off the unrolled template, in its mm: arc length from the midline, and heights over the chord below.
_ARC = np.array([0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 26.0, 32.0, 38.0, 44.0, 48.0, 54.0])
_BITE = np.array([-3.0, -3.2, -3.6, -4.2, -4.6, -4.1, -3.0, -2.4, -1.0, 0.1, 1.1, 2.2])
_UPPER = np.array([2.3, 2.8, 4.2, 4.1, 3.8, 4.1, 4.4, 3.9, 3.9, 4.7, 6.2, 6.6])
_LOWER = np.array([-6.6, -7.8, -9.6, -11.4, -12.4, -12.2, -11.6, -10.2, -7.7, -6.2, -5.0, -3.8])
_UPPER_GROOVES = np.array([6.8, 11.4, 17.6, 25.0, 33.5, 42.0, 52.0])
_LOWER_GROOVES = np.array([5.5, 11.0, 17.0, 22.0, 29.7, 38.7, 47.0, 54.5])
_ARC_OF_LANDMARKS = 53.2
"""Arc length of both ecm2 on the template."""


@dataclasses.dataclass(frozen=True)
class Row:
    """The crowns of one jaw, on one side; the other side mirrors it."""

    margin: Float[np.ndarray, " arcs"]
    """Height of the alveolar margin along `Arch.arcs`, mm."""
    front: Float[np.ndarray, " arcs"]
    """How far the bone at the margin lies behind `Arch.curve`, mm: lower incisors stand well behind it."""
    grooves: Float[np.ndarray, "teeth heights"]
    """Arc length, mm, at which each tooth ends, the first being the central incisor; from the bite (first column) to
    the margin (last column)."""


@dataclasses.dataclass(frozen=True)
class Arch:
    """Both arches. Head frame, mm."""

    curve: Float[np.ndarray, "curve 2"]
    """x and z along the buccal side, from the right to the left, drawn on straight beyond the last molars."""
    curve_arcs: Float[np.ndarray, " curve"]
    """Signed arc length of the curve's points: 0 in the midline, positive on the left."""
    inward: Float[np.ndarray, "curve 2"]
    """Unit vectors in x and z, from the cheek to the tongue."""
    arcs: Float[np.ndarray, " arcs"]
    """Arc lengths from the midline at which heights are given."""
    bite: Float[np.ndarray, " arcs"]
    """Height at which the jaws are to be parted, between the rows."""
    upper: Row
    lower: Row

    def place(
        self, points: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"], Float[np.ndarray, "points 3"]]:
        """Signed arc length, depth behind the buccal side (mm), and the unit vector inward, of each point."""
        flat = points[:, [0, 2]]
        near = cKDTree(self.curve).query(flat)[1]
        inward = self.inward[near]
        depth = np.einsum("pd,pd->p", flat - self.curve[near], inward)
        direction = np.stack([inward[:, 0], np.zeros(len(points)), inward[:, 1]], axis=1)
        return self.curve_arcs[near], depth, direction

    def height(
        self, line: Float[np.ndarray, " arcs"], arcs: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """A line such as `bite`, at signed arc lengths."""
        return np.interp(np.abs(arcs), self.arcs, line)

    def order(
        self, row: Row, arcs: Float[np.ndarray, " points"], heights: Float[np.ndarray, " points"]
    ) -> Int[np.ndarray, " points"]:
        """Which tooth from the midline (1: central incisor) a place in the row belongs to; one more than there are
        teeth behind the last one. `heights` are y in mm."""
        bite, margin = self.height(self.bite, arcs), self.height(row.margin, arcs)
        share = np.clip((heights - bite) / (margin - bite), 0.0, 1.0) * (row.grooves.shape[1] - 1)
        ends = np.stack([np.interp(share, np.arange(len(groove)), groove) for groove in row.grooves])
        return 1 + (np.abs(arcs)[None] > ends).sum(axis=0)


def find_arch(skull: Mesh, landmarks: Mapping[str, np.ndarray]) -> Arch:
    """The dental arches of a skull with closed jaws and all landmarks on it (head frame, mm)."""
    scene = DistanceScene(skull)
    curve, inward = _buccal_curve(scene, landmarks)
    lengths = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    curve_arcs = np.concatenate([[0.0], np.cumsum(lengths)])
    curve_arcs -= curve_arcs[len(curve) // 2]
    ends = np.stack([landmarks[key] for key in ("ecm2(s)_l", "ecm2(i)_l")])
    arc_end = float(np.mean(np.abs(curve_arcs[cKDTree(curve).query(ends[:, [0, 2]])[1]])))
    scale = arc_end / _ARC_OF_LANDMARKS
    front, back = (landmarks["pr"][1] + landmarks["id"][1]) / 2, ends[:, 1].mean()
    arcs = np.arange(0.0, _ARC[-1] * scale + _STEP_MM / 2, _STEP_MM)
    chord = front + (back - front) * arcs / arc_end
    bite, upper, lower = (chord + np.interp(arcs / scale, _ARC, line) for line in (_BITE, _UPPER, _LOWER))
    heights = np.arange(lower.min() - 4.0, upper.max() + 4.0, _STEP_MM)
    depth = _unrolled(scene, curve, curve_arcs, inward, arcs, heights)
    valleys = scipy.ndimage.gaussian_laplace(-depth, _FINE_MM / _STEP_MM)

    def settle(line: np.ndarray) -> np.ndarray:
        path = _cheapest_path(-valleys, (line - heights[0]) / _STEP_MM, _REACH_MM / _STEP_MM)
        return scipy.ndimage.gaussian_filter1d(heights[0] + _STEP_MM * path, _FINE_MM / _STEP_MM, mode="nearest")

    bite, upper, lower = settle(bite), settle(upper), settle(lower)

    def row(margin: np.ndarray, grooves: np.ndarray) -> Row:
        # The row's part of the picture, drawn out so that its first column is the bite and its last the margin.
        share = np.linspace(0.0, 1.0, 25)
        rows = ((bite[:, None] + (margin - bite)[:, None] * share) - heights[0]) / _STEP_MM
        columns = np.broadcast_to(np.arange(len(arcs))[:, None], rows.shape).astype(float)
        flat = scipy.ndimage.map_coordinates(valleys, [columns, rows], order=1, mode="nearest").T
        paths = [
            _cheapest_path(-flat, np.full(len(share), groove * scale / _STEP_MM), _REACH_MM / _STEP_MM)
            for groove in grooves
        ]
        # A millimetre beyond the margin, where the bone is without a groove.
        bone = (margin + np.sign(margin.mean() - bite.mean()) - heights[0]) / _STEP_MM
        front = scipy.ndimage.map_coordinates(depth, [np.arange(len(arcs)), bone], order=1, mode="nearest")
        front = scipy.ndimage.gaussian_filter1d(front, 2.0 * _FINE_MM / _STEP_MM, mode="nearest")
        return Row(margin, front, _STEP_MM * np.stack(paths))

    return Arch(curve, curve_arcs, inward, arcs, bite, row(upper, _UPPER_GROOVES), row(lower, _LOWER_GROOVES))


def _buccal_curve(scene: DistanceScene, landmarks: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    turn = np.radians(np.linspace(-_TURN_DEG, _TURN_DEG, 381))
    heights = np.arange(landmarks["iC_l"][1] - 1.0, landmarks["ecm2(s)_l"][1], 1.0)
    centre = landmarks["pr"][2] - _CENTRE_BEHIND_MM
    outward = np.stack([np.sin(turn), np.zeros(len(turn)), np.cos(turn)], axis=1)[:, None]
    outward = np.broadcast_to(outward, (len(turn), len(heights), 3))
    origins = 75.0 * outward + np.array([0.0, 0.0, centre])
    origins[..., 1] += heights
    hits = scene.cast(origins.reshape(-1, 3), -outward.reshape(-1, 3))
    radius = 75.0 - hits.distance.reshape(outward.shape[:2])
    # The ramus and the far wall of the arch are no part of the row.
    radius = np.nanmedian(np.where((radius > 0.0) & (radius < 50.0), radius, np.nan), axis=1)
    radius = (radius + radius[::-1]) / 2
    chebyshev = np.polynomial.chebyshev
    smooth = chebyshev.chebfit((turn / turn[-1]) ** 2, radius, 6)
    fine = np.radians(np.linspace(-_TURN_DEG, _TURN_DEG, 3801))
    radius = chebyshev.chebval((fine / fine[-1]) ** 2, smooth)
    curve = np.stack([np.sin(fine) * radius, centre + np.cos(fine) * radius], axis=1)
    # Behind the last molars the fit is loose, so the curve goes on straight from there.
    last = np.flatnonzero(curve[:, 1] > (landmarks["ecm2(s)_l"][2] + landmarks["ecm2(i)_l"][2]) / 2)[[0, -1]]
    curve = curve[last[0] : last[1] + 1]
    ends = np.arange(0.1, 25.0, 0.1)[:, None]
    lead, tail = (curve[0] - curve[20], curve[-1] - curve[-21])
    lead, tail = lead / np.linalg.norm(lead), tail / np.linalg.norm(tail)
    curve = np.concatenate([curve[0] + ends[::-1] * lead, curve, curve[-1] + ends * tail])
    tangent = np.gradient(curve, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return curve, np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def _unrolled(
    scene: DistanceScene,
    curve: np.ndarray,
    curve_arcs: np.ndarray,
    inward: np.ndarray,
    arcs: np.ndarray,
    heights: np.ndarray,
) -> np.ndarray:
    """Depth of the bone behind the curve at each arc and height, mm, mean of both sides."""
    sides = []
    for sign in (1.0, -1.0):
        flat, into = (
            np.stack([np.interp(sign * arcs, curve_arcs, values[:, axis]) for axis in range(2)], axis=1)
            for values in (curve, inward)
        )
        starts = flat - _STAND_OFF_MM * into
        origins = np.stack(np.broadcast_arrays(starts[:, :1], heights[None], starts[:, 1:]), axis=-1)
        rays = np.broadcast_to(np.stack([into[:, 0], np.zeros(len(into)), into[:, 1]], -1)[:, None], origins.shape)
        distance = scene.cast(origins.reshape(-1, 3), rays.reshape(-1, 3)).distance.reshape(origins.shape[:2])
        sides.append(np.minimum(distance, 2.0 * _STAND_OFF_MM) - _STAND_OFF_MM)
    return np.mean(sides, axis=0)


def _cheapest_path(cost: np.ndarray, guide: np.ndarray, reach: float) -> np.ndarray:
    """Columns, one for each row of `cost`, that cost least together and lie within `reach` of a guide; neighbours
    differ by one at most. Both guide and result count pixels."""
    rows, columns = cost.shape
    away = np.abs(np.arange(columns) - guide[:, None])
    # A little for straying, so that a corridor without a valley gives the guide itself.
    priced = np.where(away <= reach, cost + 1e-4 * away, 1e3 * away)
    total, came = priced[0], np.zeros((rows, columns), dtype=int)
    for row in range(1, rows):
        padded = np.pad(total, 1, constant_values=np.inf)
        options = np.stack([padded[:-2], padded[1:-1], padded[2:]])
        came[row] = np.argmin(options, axis=0) + np.arange(columns) - 1
        total = options.min(axis=0) + priced[row]
    path = np.empty(rows, dtype=int)
    path[-1] = np.argmin(total)
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path.astype(float)

"""Flattening a disc of triangles onto a convex shape without folds, with little stretch.

The border is laid on a convex curve and the inside solved with mean-value weights (Floater, "Mean value coordinates",
CAGD 2003): positive weights and a convex border make a map without folds. The weights are then divided by the local
stretch, which lowers it and leaves them positive (Yoshizawa, Belyaev and Seidel, "A fast and simple stretch-minimizing
mesh parameterization", SMI 2004).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.linalg import spsolve

from fields.mesh import Mesh

BORDER_POWER = 3.0
"""The border is the curve |u|ᵖ + |v|ᵖ = rᵖ: nearer to the square than a circle, and still strictly convex."""
STRETCH_POWER = 0.5
"""Weights are divided by this power of the stretch; with 1, as in the paper, less stretch is gained."""
STRETCH_QUANTILE = 0.98
"""Stretch above this quantile is taken for it: slivers on the border, which cannot move, would drown the rest."""
STRETCH_ROUNDS = 30
"""At most so many rounds; they end when the stretch rises."""


def flatten(
    disc: Mesh, loop: Int[np.ndarray, " border"], detail: Float[np.ndarray, " faces"]
) -> Float[np.ndarray, "vertices 2"]:
    """Coordinates in -1..1 of a disc's vertices, all of which its triangles use. No triangle is turned over.

    `loop` is the border, counter-clockwise; its start comes to the top (0, 1) and the point farthest forward and down
    (largest z − y) to the bottom. The stretch of a triangle counts `detail` times.

    Raises:
        ValueError: if the triangles are so thin that rounding folds one.
    """
    points, faces = disc.vertices, disc.faces
    count, fixed = len(points), np.zeros(len(points), dtype=bool)
    fixed[loop] = True
    boundary = np.zeros((count, 2))
    boundary[loop] = _convex_curve(points[loop])
    weights = _mean_value_weights(points, faces)
    areas = disc.face_areas()
    best, least = boundary, np.inf
    for _ in range(STRETCH_ROUNDS):
        sums = np.asarray(weights.sum(axis=1)).ravel()
        system = sp.diags(np.where(fixed, 1.0, sums)) - sp.diags((~fixed).astype(float)) @ weights
        uv = np.stack([spsolve(system.tocsc(), boundary[:, axis]) for axis in range(2)], axis=1)
        if (_twice_signed_areas(uv, faces) <= 0.0).any():
            break
        squares = (_stretch(points, faces, uv) * detail) ** 2
        squares = areas * np.minimum(squares, np.quantile(squares, STRETCH_QUANTILE))
        if squares.sum() >= least:
            break
        best, least = uv, squares.sum()
        around, total = (np.bincount(faces.ravel(), np.repeat(of, 3), minlength=count) for of in (squares, areas))
        weights = weights @ sp.diags((around / total) ** (-0.5 * STRETCH_POWER))
    if not np.isfinite(least):
        raise ValueError("the mesh's triangles are too thin to be flattened")
    return best


def _convex_curve(loop: np.ndarray) -> np.ndarray:
    """Places on |u|ᵖ + |v|ᵖ = 1 for a border by arc length, with its first and its lowest foremost point opposite."""
    angle = np.linspace(0.0, 2.0 * np.pi, 20_001) + 0.5 * np.pi

    def curve(at: np.ndarray) -> np.ndarray:
        way = np.stack([np.cos(at), np.sin(at)], axis=1)
        return way / (np.abs(way) ** BORDER_POWER).sum(axis=1, keepdims=True) ** (1.0 / BORDER_POWER)

    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve(angle), axis=0), axis=1))])
    lengths = np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(np.maximum(lengths, 1e-6 * lengths.sum()))])
    foremost = travelled[1 + int(np.argmax(loop[1:, 2] - loop[1:, 1]))]
    share = np.interp(travelled[:-1], [0.0, foremost, travelled[-1]], [0.0, 0.5, 1.0])
    return curve(np.interp(share * along[-1], along, angle))


def _mean_value_weights(points: np.ndarray, faces: np.ndarray) -> sp.csr_matrix:
    """Row i holds the (unnormalised) weights of vertex i's neighbours: (tan(α/2) + tan(β/2)) / distance."""
    rows, columns, values = [], [], []
    for corner in range(3):
        here, one, other = (points[faces[:, (corner + step) % 3]] for step in range(3))
        one_length = np.linalg.norm(one - here, axis=1)
        other_length = np.linalg.norm(other - here, axis=1)
        sine = np.linalg.norm(np.cross(one - here, other - here), axis=1)
        cosine = np.einsum("fd,fd->f", one - here, other - here)
        # Slivers (angles near 0 or 180°) keep a weight that is positive and finite.
        half = np.tan(0.5 * np.arctan2(sine, cosine).clip(1e-3, np.pi - 1e-3))
        for step, length in ((1, one_length), (2, other_length)):
            rows.append(faces[:, corner])
            columns.append(faces[:, (corner + step) % 3])
            values.append(half / length.clip(1e-6, None))
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sp.csr_matrix(entries, shape=(len(points),) * 2)


def _stretch(points: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Root mean square singular value of each triangle's map from the chart to the surface."""
    first, second = (points[faces[:, side]] - points[faces[:, 0]] for side in (1, 2))
    (a, b), (c, d) = ((uv[faces[:, side]] - uv[faces[:, 0]]).T[..., None] for side in (1, 2))
    gradients = np.stack([first * d - second * b, second * a - first * c]) / _twice_signed_areas(uv, faces)[:, None]
    return np.sqrt(0.5 * (gradients**2).sum(axis=(0, 2)))


def _twice_signed_areas(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    (a, b), (c, d) = ((uv[faces[:, side]] - uv[faces[:, 0]]).T for side in (1, 2))
    return a * d - b * c

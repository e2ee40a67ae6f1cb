"""Sampling a distance function on a fine grid only where its surface can be, and meshing the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mcubes
import numpy as np
from jaxtyping import Float

from fields.mesh import Mesh

DistanceFunction = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Grid:
    """Values on a regular grid: `values[i, j, k]` lies at `origin + spacing * (i, j, k)`."""

    values: Float[np.ndarray, "x y z"]
    """Signed distance, negative inside; beyond the band only sign and order of magnitude are right."""
    origin: Float[np.ndarray, "3"]
    """Position of the first sample."""
    spacing: float
    """Distance between samples."""

    def surface(self) -> Mesh:
        """The zero level by marching cubes, wound outward."""
        # mcubes leaves holes where a sample is exactly zero and winds inward for negative-inside fields.
        values = np.where(self.values == 0.0, np.float32(1e-6), self.values)
        vertices, faces = mcubes.marching_cubes(values, 0.0)
        return Mesh(vertices * self.spacing + self.origin, faces[:, ::-1].astype(np.int32))


def sample_band(
    distance: DistanceFunction,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: float,
    coarsening: int = 4,
) -> Grid:
    """Sample a true distance (1-Lipschitz, negative inside) between two corners, exactly within two samples of the
    surface.

    A coarse grid, `coarsening` times wider, is evaluated everywhere; the fine samples of a coarse cell only where the
    distance at its corners says that the surface may pass. Elsewhere the coarse values are interpolated.
    """
    wide = spacing * coarsening
    cells = np.maximum(np.ceil((high - low) / wide).astype(int), 1)
    axes = [low[axis] + wide * np.arange(cells[axis] + 1) for axis in range(3)]
    coarse = distance(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)).reshape(cells + 1)
    values = coarse.astype(np.float32)
    for axis in range(3):
        values = _refine(values, axis, coarsening)
    fine_axes = [low[axis] + spacing * np.arange(size) for axis, size in enumerate(values.shape)]
    # Where weights w of the eight corners interpolate, a 1-Lipschitz function errs by at most the root of the corners'
    # weighted squared distances, which is largest, half the cell's diagonal, in its middle.
    near = np.argwhere(np.abs(values) < np.sqrt(3) / 2 * wide + 2 * spacing)
    points = np.stack([fine_axes[axis][near[:, axis]] for axis in range(3)], -1)
    values[tuple(near.T)] = distance(points)
    return Grid(values, np.asarray(low, dtype=np.float64), spacing)


def _refine(values: np.ndarray, axis: int, factor: int) -> np.ndarray:
    """Linear interpolation along one axis to `factor` times as many intervals."""
    position = np.arange((values.shape[axis] - 1) * factor + 1) / factor
    left = np.minimum(position.astype(int), values.shape[axis] - 2)
    weight = (position - left).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.take(values, left, axis) * (1 - weight) + np.take(values, left + 1, axis) * weight

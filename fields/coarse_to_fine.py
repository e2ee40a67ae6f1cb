"""Meshing a signed-distance field coarse to fine: the dense grid's surface for a few per cent of its evaluations.

A field that changes by at most `slope` per millimetre, and is f away from a sample, still has that sample's sign at all
points nearer than |f| / slope. So each level, of half the spacing of the level before, asks the field only at samples
whose sign no corner of the cell around them vouches for; the others get that sign, and what is left of |f| as a bound.
Then the samples at both ends of every edge that changes sign are asked too, until nothing changes any more: there the
surface's vertices lie, and there alone values matter. This follows the surface also where the field is steeper than it
was said to be. Marching cubes then draws the very surface that a grid evaluated everywhere would give.
"""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction, Grid

COARSEST = 32
"""Cells along the longest side of the grid that is evaluated everywhere: 9 mm each for a head's box, a quarter of a per
cent of 256³."""

SLOPE = 1.25
"""A distance changes by 1 per millimetre, bent into another head somewhat more. Only a part that hangs together with no
other is missed by a bound that is too small: a head three times as steep came out the same."""

_MARGIN = 0.75
"""Before the last level, samples whose bound is less than this part of the spacing are asked too, for a small bound
vouches for nothing on the next level. On the prior's head at 256³ this asks 3.7 % instead of 4.4 %."""


_BLOCK = 2**20
"""Samples asked at once where all are; their positions take 24 MB."""


@dataclasses.dataclass(frozen=True)
class Evaluations:
    """How often the field was asked."""

    asked: int
    """Points, over all levels."""
    dense: int
    """Points of the finest grid, which is what asking everywhere takes."""

    @property
    def share(self) -> float:
        """Of what asking everywhere takes."""
        return self.asked / self.dense


def mesh_field(
    distances: DistanceFunction,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    resolution: int,
    *,
    slope: float = SLOPE,
) -> tuple[Mesh, Evaluations]:
    """The zero level of a field in a box, wound outward; open where the surface leaves the box.

    Args:
        distances: mm, negative inside; any number of points per call, at most a cell beyond `high`.
        low: The box's least corner, mm: the grid's first sample.
        high: Its greatest.
        resolution: Cubic cells along the longest side: 32, 64, 128, …
        slope: How much the field changes per millimetre at most. What is steeper and lies apart may be missed; a
            greater bound asks more.

    Raises:
        ValueError: No such resolution, an empty box, a field that is not finite, or one without a surface in the box.
    """
    grid, evaluations = sample_surface_grid(distances, low, high, resolution, slope=slope)
    mesh = grid.surface()
    if not len(mesh.faces):
        raise ValueError("the field has no surface in the box")
    return mesh, evaluations


def sample_surface_grid(
    distances: DistanceFunction,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    resolution: int,
    *,
    slope: float = SLOPE,
) -> tuple[Grid, Evaluations]:
    """The grid that `mesh_field` draws: exact at both ends of edges that change sign, elsewhere right in sign and never
    farther from zero than the field. Arguments and errors as there."""
    halvings = (resolution // COARSEST).bit_length() - 1
    if halvings < 0 or COARSEST << halvings != resolution:
        raise ValueError(f"resolution {resolution}: give {COARSEST}, {2 * COARSEST}, {4 * COARSEST}, …")
    asked = 0

    def counted(points: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(points)
        found = np.asarray(distances(points), dtype=np.float32)
        if not np.isfinite(found).all():
            raise ValueError("the field is not finite everywhere in the box")
        return found

    level = _Level.everywhere(counted, low, high, COARSEST)
    level.settle()
    for halving in range(halvings):
        level = level.halved(slope, last=halving == halvings - 1)
        level.settle()
    return level.grid(), Evaluations(asked, level.values.size)


def sample_everywhere(
    distances: DistanceFunction, low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"], resolution: int
) -> Grid:
    """The same grid with the field asked at all samples: what `sample_surface_grid` is measured against.

    Raises:
        ValueError: An empty box.
    """
    return _Level.everywhere(distances, low, high, resolution).grid()


@dataclasses.dataclass(frozen=True)
class _Level:
    """One grid of the way down; its arrays are filled in place, since at 512³ they are large."""

    distances: DistanceFunction
    low: Float[np.ndarray, "3"]
    extent: Float[np.ndarray, "3"]
    spacing: float
    values: Float[np.ndarray, "x y z"]
    """The field where known, elsewhere of its sign and no larger."""
    known: Bool[np.ndarray, "x y z"]

    @classmethod
    def everywhere(cls, distances: DistanceFunction, low: np.ndarray, high: np.ndarray, resolution: int) -> _Level:
        """All samples asked."""
        low, extent = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64) - low
        if not (extent > 0.0).all():
            raise ValueError("the box is empty: low must lie below high along each axis")
        spacing = float(extent.max()) / resolution
        shape = _samples(extent, spacing)
        level = cls(distances, low, extent, spacing, np.zeros(shape, np.float32), np.zeros(shape, dtype=bool))
        for start in range(0, level.values.size, _BLOCK):
            level.ask(np.arange(start, min(start + _BLOCK, level.values.size)))
        return level

    def grid(self) -> Grid:
        """The samples and where they lie."""
        return Grid(self.values, self.low, self.spacing)

    def ask(self, places: Int[np.ndarray, " places"]) -> Bool[np.ndarray, " places"]:
        """Evaluate the field at flat indices; whether each sign differs from what was there."""
        indices = np.stack(np.unravel_index(places, self.values.shape), axis=1)
        found = self.distances(self.low + self.spacing * indices)
        values, known = self.values.reshape(-1), self.known.reshape(-1)
        changed = (values[places] < 0.0) != (found < 0.0)
        values[places], known[places] = found, True
        return changed

    def settle(self) -> None:
        """Ask at both ends of all edges that change sign."""
        while True:
            places = np.flatnonzero(_at_changes(self.values < 0.0) & ~self.known)
            # Edges change only where signs do.
            if not len(places) or not self.ask(places).any():
                return

    def halved(self, slope: float, *, last: bool) -> _Level:
        """The level of half the spacing, asked where this one does not tell the sign."""
        spacing = 0.5 * self.spacing
        margin = np.float32(0.0 if last else _MARGIN * spacing)
        shape = _samples(self.extent, spacing)
        values, known = np.empty(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
        kept = tuple(slice(0, -(-size // 2)) for size in shape)
        known[::2, ::2, ::2], values[::2, ::2, ::2] = self.known[kept], self.values[kept]
        least, most = _over_corners(self.values, np.minimum), _over_corners(self.values, np.maximum)
        for odd in [odd for odd in product((0, 1), repeat=3) if any(odd)]:
            part = values[odd[0] :: 2, odd[1] :: 2, odd[2] :: 2]
            cut = tuple(slice(0, size) for size in part.shape)
            lost = np.float32(slope * spacing * np.sqrt(sum(odd)))
            outside, inside = most[odd][cut] - lost, least[odd][cut] + lost
            # Vouched for by one side; a field steeper than said can be vouched for by both, and is asked too.
            told = (outside > margin) != (inside < -margin)
            part[:] = np.where(told, np.where(outside > 0.0, outside, inside), np.float32(np.nan))
        level = _Level(self.distances, self.low, self.extent, spacing, values, known)
        level.ask(np.flatnonzero(np.isnan(values)))
        return level


def _samples(extent: np.ndarray, spacing: float) -> tuple[int, ...]:
    """Samples along each axis that reach over the box, the last cell perhaps beyond it."""
    return tuple(int(cells) + 1 for cells in np.ceil(extent / spacing - 1e-9))


def _over_corners(values: np.ndarray, extreme: np.ufunc) -> dict[tuple[int, ...], np.ndarray]:
    """The least or greatest value over the samples at both ends along the axes marked 1: 1, 2, 4 or 8 corners."""
    found: dict[tuple[int, ...], np.ndarray] = {(): values}
    for axis in range(3):
        ends = (slice(None),) * axis
        both = {
            (*odd, 1): extreme(array[(*ends, slice(None, -1))], array[(*ends, slice(1, None))])
            for odd, array in found.items()
        }
        found = {(*odd, 0): array for odd, array in found.items()} | both
    return found


def _at_changes(inside: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    """Samples with a neighbour along an axis on the other side."""
    at = np.zeros_like(inside)
    for axis in range(3):
        ends = (slice(None),) * axis
        before, after = (*ends, slice(None, -1)), (*ends, slice(1, None))
        change = inside[before] != inside[after]
        at[before] |= change
        at[after] |= change
    return at

"""Nearest of many points, wholly inside XLA: also of points that move and deform after the index was built.

The index knows which points lie near each other, not where they are. On the host a k-d tree splits the points into
blocks of about 20. Each point (of a scan: each group of about five) is then entered into the rows of the ten blocks
nearest to it, those it is nearest to first; a row holds 128 points. A query starts from the best of eight points that a
grid remembers, looks through the row of that point's block, then through the row of the best point's block, and once
more: a greedy descent over a graph of neighbours, as in

    Arya, Mount, "Approximate nearest neighbor queries in fixed dimensions", SODA 1993,

but with long rows of few blocks instead of short rows of every point: the descent then needs few steps, rarely ends in
the wrong place, and reads contiguous memory. As points look for blocks and not blocks for points, a sparse region is
linked to a dense one beside it, such as FLAME's scalp to its ears. There are only gathers and comparisons, so it is the
same on every device.

How near it comes, on six heads of FLAME 2023 Open with coefficients up to 2 standard deviations, 20,000 queries each
(tests/flame_jax/test_nearest_points.py holds the same to bounds):

    20,000 scan points with 0.5 mm of noise, queries up to 10 mm off   99.62 % exact, 0.004 mm too far on average
        10 to 15 mm off                                                99.17 %,       0.009 mm
        40 mm off                                                      96.6 %,        0.024 mm
    5,023 vertices, indexed in the template, now another head in
        another pose; scan points on the surface, pulled back rigidly  99.75 %,       0.009 mm
        up to 10 mm off                                                99.56 %,       0.012 mm; worst head 99.41 %

What is missed of a scan is 1 mm too far on average and 6 mm at most; of a moving mesh 3 mm and 19 mm, where another
sheet was the nearer one: ear and neck, lids and eye sockets.

On two cores, compiled: 2 ms for 5,000 queries of a scan, 7 to 9 ms for 20,000 of a mesh; indexing 20,000 scan points
takes 20 ms.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from flame_jax.model import Array

_ROW = 128
"""Points in a row. A power of two: see `_packed`."""

_BLOCK = 20
"""Points in a block, about."""

_GROUP = 5
"""Points of a scan, about, that are entered into rows together. Each for itself takes twice as long to index."""

_REACH = 10
"""Rows that a point or group is entered into, if there is room."""

_GRID = 32
"""Cells along each axis of the grid."""

_MARGIN = 0.1
"""What the grid adds on every side, relative to the largest extent of the points."""

_STEPS = 3
"""Rows looked through for each query."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NearestIndex:
    """Which points lie near each other, and where to start. A pytree; `nearest` takes batched ones under `vmap`."""

    rows: Int[Array, "*batch blocks row"]
    """Ids of points near each block; where there are too few, one is repeated."""
    block_of: Int[Array, "*batch points"]
    """Block of each point."""
    starts: Int[Array, "*batch cells cells cells"]
    """Id of a point near each cell of the grid."""
    origin: Float[Array, "*batch 3"]
    """Lowest corner of the grid."""
    cell: Float[Array, "*batch 3"]
    """Size of a cell along each axis."""


def nearest_index(points: Float[np.ndarray, "points 3"], *, even: bool = True) -> NearestIndex:
    """Index points where they lie now. Runs on the host.

    The shapes depend only on the number of points, so indices of equally many points can be stacked.

    Args:
        points: At least one point, finite, in any unit.
        even: Whether the points are about equally dense and stay where they are, as a scan's: then a few of them are
            entered into rows together, in half of the time. A head model's vertices are not.

    Raises:
        ValueError: No points, or points that are not finite.
    """
    if not len(points) or not np.isfinite(points).all():
        raise ValueError("an index needs at least one point, and all of them finite")
    exact = points.astype(np.float64)
    low, high = exact.min(axis=0), exact.max(axis=0)
    largest = float((high - low).max()) or 1.0
    order = _tree_order(exact, largest)
    block_of, rows = _rows(exact, order, _halved(len(exact), _GROUP) if even else np.arange(len(exact) + 1))
    origin = low - _MARGIN * largest
    cell = (high - low + 2 * _MARGIN * largest) / _GRID
    return NearestIndex(
        rows=rows,
        block_of=block_of,
        starts=_starts(np.floor((exact - origin) / cell).astype(np.int64), cell),
        origin=origin.astype(np.float32),
        cell=cell.astype(np.float32),
    )


def nearest(
    index: NearestIndex,
    points: Float[Array, "points 3"],
    queries: Float[Array, "queries 3"],
    start_queries: Float[Array, "queries 3"] | None = None,
) -> Int[jax.Array, " queries"]:
    """Ids of the points nearest to the queries, with few exceptions. Traceable by jax; computed in single precision.

    Args:
        index: Made of the points, perhaps before they moved.
        points: Where the points are now.
        queries: What to find the nearest points of.
        start_queries: The queries pulled back to the pose in which the index was made; the queries themselves by
            default. Only the start depends on them, so a rigid motion is enough.

    Returns:
        For each query the id of a point. It has no derivative.
    """
    positions = jax.lax.stop_gradient(jnp.asarray(points, jnp.float32))
    targets = jax.lax.stop_gradient(jnp.asarray(queries, jnp.float32))
    places = targets if start_queries is None else jax.lax.stop_gradient(jnp.asarray(start_queries, jnp.float32))
    ids, block_of = jnp.asarray(index.rows), jnp.asarray(index.block_of)
    rows = positions[ids].swapaxes(1, 2)
    found = _start(index, positions, targets, places)
    least = _bits(_squared(positions[found], targets)) & ~(_ROW - 1)
    for _ in range(_STEPS):
        block = block_of[found]
        packed = _packed(_squared(rows[block], targets[:, :, None]))
        distance, slot = packed & ~(_ROW - 1), packed & (_ROW - 1)
        found = jnp.where(distance < least, ids[block, slot], found)
        least = jnp.minimum(distance, least)
    return found


def _start(index: NearestIndex, positions: jax.Array, targets: jax.Array, places: jax.Array) -> jax.Array:
    # Of eight cells around the place, because the point near one may lie on another sheet, as behind an ear.
    cells = index.starts.shape[0]
    starts = jnp.asarray(index.starts).reshape(-1)
    corner = jnp.floor((places - index.origin[None]) / index.cell[None] - 0.5)
    # Clipped before the conversion, which is undefined for numbers too large for an integer.
    low = jnp.clip(corner, 0, cells - 1).astype(jnp.int32)
    high = jnp.clip(corner + 1, 0, cells - 1).astype(jnp.int32)
    x, y, z = (jnp.stack([low[:, axis], high[:, axis]], axis=1) for axis in range(3))
    near = (x[:, :, None, None] * cells + y[:, None, :, None]) * cells + z[:, None, None, :]
    candidates = starts[near.reshape(-1, 8)]
    squared = _squared(positions[candidates].swapaxes(1, 2), targets[:, :, None])
    return jnp.take_along_axis(candidates, jnp.argmin(squared, axis=1)[:, None], axis=1)[:, 0]


def _squared(positions: jax.Array, targets: jax.Array) -> jax.Array:
    x, y, z = (positions[:, axis] - targets[:, axis] for axis in range(3))
    return x * x + y * y + z * z


def _bits(squared: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(squared, jnp.int32)


def _packed(squared: jax.Array) -> jax.Array:
    # Numbers from zero up sort as their bits do. The lowest seven give way to the place in the row, so that one minimum
    # over integers finds both, three times as fast as argmin on a CPU. It costs at most 1.5e-5 of the squared distance:
    # 0.0001 mm at 10 mm.
    return jnp.min((_bits(squared) & ~(_ROW - 1)) | jnp.arange(_ROW, dtype=jnp.int32)[None], axis=-1)


def _tree_order(points: np.ndarray, largest: float) -> np.ndarray:
    # No two coordinates are equal with the jitter, so the tree halves the points exactly, also those of a regular grid.
    jitter = 1e-7 * largest * np.random.default_rng(0).standard_normal(points.shape)
    return cKDTree(points + jitter, leafsize=_GROUP).indices


def _halved(count: int, size: int) -> np.ndarray:
    """Where the parts of about `size` begin when points in the tree's order are halved again and again, and the end."""
    bounds = np.array([0, count])
    for _ in range(max(0, round(np.log2(count / size)))):
        bounds = np.sort(np.concatenate([bounds, (bounds[:-1] + bounds[1:]) // 2]))
    return bounds


def _rows(points: np.ndarray, order: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Block of each point, and the rows; `bounds` are the beginnings of the groups in `order`, and the end."""
    block_bounds = _halved(len(points), _BLOCK)
    centres, group_centres = (
        np.add.reduceat(points[order], ends[:-1]) / np.diff(ends)[:, None] for ends in (block_bounds, bounds)
    )
    reach, most = min(_REACH, len(centres)), int(np.diff(bounds).max())
    near = cKDTree(centres).query(group_centres, k=np.arange(1, reach + 1), workers=-1)[1]
    # Sorted by block, and within it by whether the block is the group's nearest, second nearest and so on.
    places = (near * reach + np.arange(reach)).ravel()
    entries = np.argsort(places, kind="stable")
    block = places[entries] // reach
    slot = np.arange(len(entries)) - np.searchsorted(block, np.arange(len(centres)))[block]
    fits = slot < _ROW // most
    groups = np.full((len(centres), _ROW // most), -1, np.int64)
    groups[block[fits], slot[fits]] = entries[fits] // reach
    groups = np.where(groups < 0, np.maximum(groups[:, :1], 0), groups)
    members = np.minimum(bounds[:-1, None] + np.arange(most), bounds[1:, None] - 1)
    rows = order[members][groups].reshape(len(centres), -1)
    rows = np.concatenate([rows, np.repeat(rows[:, :1], _ROW - rows.shape[1], axis=1)], axis=1)
    block_of = np.empty(len(points), np.int32)
    block_of[order] = np.repeat(near[:, 0], np.diff(bounds))
    return block_of, rows.astype(np.int32)


def _starts(cells: np.ndarray, cell: np.ndarray) -> np.ndarray:
    starts = np.full((_GRID, _GRID, _GRID), -1, np.int32)
    starts[tuple(cells.T)] = np.arange(len(cells), dtype=np.int32)
    taken = scipy.ndimage.distance_transform_edt(starts < 0, sampling=cell, return_distances=False, return_indices=True)
    return starts[tuple(taken)]

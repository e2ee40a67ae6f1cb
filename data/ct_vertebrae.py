"""Cuts the cervical column off the skull in a CT where joints are too thin to be seen as gaps.

The column leaves through the end of the volume, deep under the skin on all sides; the skull and the mandible lie close
under it. So bone that is deep at the volume's end is column, bone that is shallow is skull, and a minimum cut
(Ford and Fulkerson 1956) through the graph of bone voxels, whose edges weigh what their darker voxel has above the
bone threshold, separates the two at the weakest joint. From there the search climbs to the next joint, and stops before
the cut becomes as strong as the base of the skull. Nothing shallow is ever cut off, so the mandible and face are safe.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

DEEP = 22.0
"""mm under the skin from which bone at the volume's end, or next to the column, may be column."""
SHALLOW = 20.0
"""mm under the skin to which bone is skull."""
STRONGEST_JOINT = 120_000.0
"""HU·mm²: joints of the neck measured 72,000 to 82,000 on one coarse CT, the skull's base 195,000 and more."""

_CLIMB = 8.0  # mm beyond the last cut where the next joint is sought; about half a vertebra
_SMALLEST_END = 200.0  # mm² of deep bone at the volume's end
_DEEP_SHARE = 1 / 3  # of the bone at the volume's end
_CAPACITY_HU = 20.0  # one unit of the integer capacities

Mask = Bool[np.ndarray, "z y x"]


def column(
    hounsfield: Float[np.ndarray, "z y x"],
    bone: Mask,
    depth: Float[np.ndarray, "z y x"],
    spacing: float,
    threshold: float,
) -> Mask:
    """The voxels of `bone` that are vertebrae, as far as the column reaches the volume's end; else none.

    `depth` is the distance to the skin in mm, `spacing` the edge of the cubic voxels in mm, `threshold` bone's in HU.
    """
    found = np.zeros_like(bone)
    source = _column_end(bone, depth, spacing)
    shallow = bone & (depth < SHALLOW)
    if not source.any() or not shallow.any():
        return found
    graph = _BoneGraph(hounsfield, bone, threshold)
    reach = max(1, round(_CLIMB / spacing))
    while True:
        strength, side = graph.cut(source, shallow & ~source)
        if strength * _CAPACITY_HU * spacing**2 > STRONGEST_JOINT or side.sum() <= found.sum():
            return found
        found = side
        climbed = ndimage.binary_dilation(found, iterations=reach, mask=bone)
        source = source | (climbed & (depth > DEEP))


def _column_end(bone: Mask, depth: np.ndarray, spacing: float) -> Mask:
    """Deep bone on the one side of the volume where it is the greatest part of the bone, if there is such a side."""
    best, best_share = np.zeros_like(bone), _DEEP_SHARE
    for axis in range(3):
        for end in (0, -1):
            side = np.zeros_like(bone)
            np.moveaxis(side, axis, 0)[end] = True
            side &= bone
            deep = side & (depth > DEEP)
            share = deep.sum() / max(1, side.sum())
            if deep.sum() * spacing**2 >= _SMALLEST_END and share > best_share:
                best, best_share = deep, share
    return best


class _BoneGraph:
    """Bone voxels joined to their six neighbours; integer capacities."""

    def __init__(self, hounsfield: np.ndarray, bone: Mask, threshold: float):
        self.bone = bone
        self.count = int(bone.sum())
        number = np.full(bone.shape, -1, dtype=np.int32)
        number[bone] = np.arange(self.count)
        rows, columns, capacities = [], [], []
        for axis in range(3):
            low = (slice(None),) * axis + (slice(None, -1),)
            high = (slice(None),) * axis + (slice(1, None),)
            pair = bone[low] & bone[high]
            darker = np.minimum(hounsfield[low][pair], hounsfield[high][pair])
            capacity = np.maximum(1, (darker - threshold) / _CAPACITY_HU).astype(np.int32)
            rows += [number[low][pair], number[high][pair]]
            columns += [number[high][pair], number[low][pair]]
            capacities += [capacity, capacity]
        self.rows, self.columns, self.capacities = (np.concatenate(part) for part in (rows, columns, capacities))

    def cut(self, source: Mask, sink: Mask) -> tuple[int, Mask]:
        """The strength of the minimum cut and the voxels on the source's side of it."""
        sources, sinks = np.flatnonzero(source[self.bone]), np.flatnonzero(sink[self.bone])
        start, end, unlimited = self.count, self.count + 1, 1_000_000
        rows = np.concatenate([self.rows, np.full(len(sources), start), sinks])
        columns = np.concatenate([self.columns, sources, np.full(len(sinks), end)])
        capacities = np.concatenate([self.capacities, np.full(len(sources) + len(sinks), unlimited, dtype=np.int32)])
        graph = sparse.csr_matrix((capacities, (rows, columns)), shape=(end + 1, end + 1), dtype=np.int32)
        flow = maximum_flow(graph, start, end)
        rest = graph - flow.flow
        rest.data = np.maximum(rest.data, 0)
        rest.eliminate_zeros()
        reached = breadth_first_order(rest, start, return_predecessors=False)
        on_side = np.zeros(end + 1, dtype=bool)
        on_side[reached] = True
        side = np.zeros_like(self.bone)
        side[self.bone] = on_side[: self.count]
        return int(flow.flow_value), side

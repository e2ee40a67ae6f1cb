"""Orthographic depth maps of a mesh: how a surface looks from one side, whatever its triangles are.

Rules that read a shape off its depth map hold for every topology, and see only what can be seen.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class DepthMap:
    """The surface nearest to a viewer at the points of a square grid."""

    depth: Float[np.ndarray, "rows columns"]
    """Coordinate along the third axis of the nearest surface, growing towards the viewer; minus infinity: nothing."""
    corner: Float[np.ndarray, "2"]
    """Coordinates along the first two axes of depth[0, 0]."""
    step: float
    """Distance of neighbouring grid points, the mesh's unit."""
    axes: Float[np.ndarray, "3 3"]
    """In rows: unit vectors along the columns, along the rows, and towards the viewer."""

    def along_columns(self) -> Float[np.ndarray, " columns"]:
        """Coordinate along the first axis of each column."""
        return self.corner[0] + self.step * np.arange(self.depth.shape[1])

    def along_rows(self) -> Float[np.ndarray, " rows"]:
        """Coordinate along the second axis of each row."""
        return self.corner[1] + self.step * np.arange(self.depth.shape[0])

    def cells(self, points: Float[np.ndarray, "points 3"]) -> tuple[Int[np.ndarray, " points"], ...]:
        """Row and column of the grid point nearest to each point; those outside go to the border."""
        column, row = np.rint((points @ self.axes[:2].T - self.corner) / self.step).astype(np.int64).T
        return row.clip(0, self.depth.shape[0] - 1), column.clip(0, self.depth.shape[1] - 1)


def depth_map(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    axes: Float[np.ndarray, "3 3"],
    step: float,
    window: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> DepthMap:
    """Depth map of a mesh.

    Args:
        vertices: Any unit.
        faces: Triangles; those seen from behind count too.
        axes: As in `DepthMap`.
        step: Distance of the grid points, same unit.
        window: Lowest and highest coordinate along the first and along the second axis; by default the whole mesh.
    """
    local = vertices @ axes.T
    if window is None:
        low, high = local[:, :2].min(axis=0) - step, local[:, :2].max(axis=0) + step
    else:
        low, high = np.array(window, dtype=np.float64).T
    columns, rows = (np.ceil((high - low) / step).astype(np.int64) + 1).tolist()
    corners = (local[:, :2] - low)[faces] / step
    near = local[:, 2][faces]
    first = np.ceil(corners.min(axis=1)).astype(np.int64).clip(0, None)
    last = np.floor(corners.max(axis=1)).astype(np.int64)
    size = (np.minimum(last, [columns - 1, rows - 1]) - first + 1).clip(0, None)
    # One entry for each grid point in the box around each triangle.
    count = size[:, 0] * size[:, 1]
    face = np.repeat(np.arange(len(faces)), count)
    rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    column, row = first[face, 0] + rank % size[face, 0], first[face, 1] + rank // size[face, 0]
    origin, one, other = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    # Triangles seen edge-on cover nothing.
    inverse = np.divide(1.0, doubled, out=np.full(len(faces), np.nan), where=np.abs(doubled) > 1e-12)
    x, y = column - origin[face, 0], row - origin[face, 1]
    second = (x * other[face, 1] - y * other[face, 0]) * inverse[face]
    third = (one[face, 0] * y - one[face, 1] * x) * inverse[face]
    inside = (second >= -1e-9) & (third >= -1e-9) & (second + third <= 1.0 + 1e-9)
    face, second, third = face[inside], second[inside], third[inside]
    height = near[face, 0] + second * (near[face, 1] - near[face, 0]) + third * (near[face, 2] - near[face, 0])
    depth = np.full(rows * columns, -np.inf)
    np.maximum.at(depth, row[inside] * columns + column[inside], height)
    return DepthMap(depth.reshape(rows, columns), np.asarray(low, dtype=np.float64), step, axes)


def seen(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    views: Float[np.ndarray, "views 3 3"],
    step: float,
    tolerance: float,
) -> Bool[np.ndarray, " vertices"]:
    """Which vertices can be seen from any of some sides, far away.

    Args:
        vertices: Any unit.
        faces: Triangles that hide what is behind them, counter-clockwise seen from outside.
        views: The sides, each as the axes of a `DepthMap`.
        step: Distance of the maps' grid points.
        tolerance: A vertex so far behind the nearest surface still counts as seen; at least the depth between two
            grid points of a slanting surface.
    """
    visible = np.zeros(len(vertices), dtype=bool)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    at_vertices = np.zeros_like(vertices)
    np.add.at(at_vertices, faces, normals[:, None])
    for axes in views:
        view = depth_map(vertices, faces, axes, step)
        in_front = vertices @ axes[2] >= view.depth[view.cells(vertices)] - tolerance
        # Through a hole, as an open neck, a surface may be looked at from behind; that is not seeing it.
        visible |= in_front & (at_vertices @ axes[2] > 0)
    return visible

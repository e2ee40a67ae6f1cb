"""Closed outlines in a plane: what lies inside, and the outlines of an open surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def inside(
    points: Float[np.ndarray, "points 2"], outline: Float[np.ndarray, "outline 2"]
) -> Bool[np.ndarray, " points"]:
    """Whether points lie in a closed outline: a ray towards +x crosses it an odd number of times."""
    start, end = outline, np.roll(outline, -1, axis=0)
    spans = (start[None, :, 1] > points[:, None, 1]) != (end[None, :, 1] > points[:, None, 1])
    rise = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
    at = start[:, 0] + (points[:, None, 1] - start[:, 1]) * (end - start)[:, 0] / rise
    return (spans & (at > points[:, None, 0])).sum(axis=1) % 2 == 1


def loops(faces: Int[np.ndarray, "faces 3"], first: int = 0) -> list[Int[np.ndarray, " outline"]]:
    """Closed paths along open edges between vertices that are numbered from `first` on.

    They run as triangles must that close the surface. No vertex may lie on two of them.
    """
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    along = edges[(edges >= first).all(axis=1)].tolist()
    known = {tuple(edge) for edge in along}
    follow = {end: start for start, end in along if (end, start) not in known}
    found = []
    while follow:
        loop = [next(iter(follow))]
        while (following := follow.pop(loop[-1])) != loop[0]:
            loop.append(following)
        found.append(np.array(loop))
    return found

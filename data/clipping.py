"""Triangles split exactly along the zero of a value that is given at the vertices and linear in between."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Split:
    """Triangles after splitting. They use the old vertices, and new ones that are counted on from them."""

    faces: Int[np.ndarray, "faces 3"]
    """No triangle has corners on both sides of zero."""
    sources: Int[np.ndarray, " faces"]
    """The old triangle that each is a part of; those that were not split come first, in their order."""
    edges: Int[np.ndarray, "new 2"]
    """The old vertices that each new vertex lies between."""
    shares: Float[np.ndarray, " new"]
    """How far from the first to the second, 0 to 1."""

    def carried(self, values: Float[np.ndarray, "vertices numbers"]) -> Float[np.ndarray, "more numbers"]:
        """Positions or other values of the old vertices, continued by those of the new ones."""
        shares = self.shares[:, None]
        first, second = values[self.edges[:, 0]], values[self.edges[:, 1]]
        return np.concatenate([values, (1.0 - shares) * first + shares * second])


def split_along_zero(faces: Int[np.ndarray, "faces 3"], values: Float[np.ndarray, " vertices"]) -> Split:
    """Split the triangles that have corners above zero and others at or below.

    A triangle becomes three with the winding of the old one. Neighbours share the new vertices, so that a closed
    surface stays closed.
    """
    above = values[faces] > 0
    count = above.sum(axis=1)
    crossing = np.flatnonzero((count == 1) | (count == 2))
    whole = np.flatnonzero((count == 0) | (count == 3))
    # Turned so that the corner that is alone on its side comes first.
    alone = np.argmax(above[crossing] == (count[crossing] == 1)[:, None], axis=1)
    a, b, c = np.take_along_axis(faces[crossing], (alone[:, None] + np.arange(3)) % 3, axis=1).T
    pairs = np.sort(np.concatenate([np.stack([a, b], axis=1), np.stack([a, c], axis=1)]), axis=1)
    edges, ids = np.unique(pairs, axis=0, return_inverse=True)
    on_ab, on_ac = len(values) + ids.reshape(2, -1)
    first, second = values[edges].astype(np.float64).T
    parts = [(a, on_ab, on_ac), (on_ab, b, c), (on_ab, c, on_ac)]
    return Split(
        np.concatenate([faces[whole], *(np.stack(part, axis=1) for part in parts)]).astype(np.int32),
        np.concatenate([whole, crossing, crossing, crossing]),
        edges.astype(np.int32),
        first / (first - second),
    )


def clipped(
    faces: Int[np.ndarray, "faces 3"],
    positions: Float[np.ndarray, "vertices numbers"],
    values: Float[np.ndarray, " vertices"],
) -> tuple[Int[np.ndarray, "kept 3"], Float[np.ndarray, "more numbers"]]:
    """The triangles where a value is above zero, cut exactly, and what belongs to their vertices: positions, and
    whatever else is linear. Vertices that are no longer used stay."""
    split = split_along_zero(faces, values)
    # New vertices lie on zero: they belong to either side.
    above = np.concatenate([values > 0, np.ones(len(split.edges), dtype=bool)])
    return split.faces[above[split.faces].all(axis=1)], split.carried(positions)

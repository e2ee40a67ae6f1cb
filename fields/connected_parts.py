"""The connected parts of a mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from fields.mesh import Mesh


def connected_parts(mesh: Mesh) -> Int[np.ndarray, " vertices"]:
    """Which part each vertex belongs to, numbered from 0 in the order of their first vertices. Vertices of a triangle
    are connected; one that no triangle uses is a part of its own."""
    edges = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    count = len(mesh.vertices)
    graph = sparse.coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return connected_components(graph.tocsr(), directed=False)[1]

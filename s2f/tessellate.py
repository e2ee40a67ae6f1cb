"""A coarse mesh made finer for drawing, so that its outline looks as round as its shading."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from fields.mesh import Mesh

ROUNDNESS = 0.75
"""Share of the way from the flat midpoint to the curved one, as in the paper."""


def rounded(
    mesh: Mesh, values: Float[np.ndarray, "vertices ..."] | None = None
) -> tuple[Mesh, Float[np.ndarray, "finer ..."] | None]:
    """Each triangle cut into four, the new vertices bulged as the vertex normals say; the old ones stay.

    Phong tessellation (Boubekeur and Alexa, 2008) at edge midpoints. `values`, one or a row per vertex, are averaged
    over the edge's two ends. For pictures only: measurements belong on the mesh itself.
    """
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, inverse = np.unique(edges, axis=0, return_inverse=True)
    normals = mesh.vertex_normals()
    start, end = (mesh.vertices[edges[:, side]] for side in (0, 1))
    middle = 0.5 * (start + end)
    projected = [
        middle - np.einsum("ed,ed->e", middle - corner, normals[edges[:, side]])[:, None] * normals[edges[:, side]]
        for side, corner in ((0, start), (1, end))
    ]
    curved = 0.5 * (projected[0] + projected[1])
    vertices = np.concatenate([mesh.vertices, middle + ROUNDNESS * (curved - middle)])
    ab, bc, ca = (len(mesh.vertices) + inverse.reshape(-1, 3)).T
    a, b, c = mesh.faces.T
    faces = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    finer = Mesh(vertices, faces.astype(mesh.faces.dtype))
    if values is None:
        return finer, None
    return finer, np.concatenate([values, values[edges].mean(axis=1)])

"""Normals at the vertices of a mesh that moves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int


def incident_faces(faces: Int[np.ndarray, "faces 3"], vertex_count: int) -> Int[np.ndarray, "vertices most"]:
    """The triangles around each vertex; rows are filled up with the number of triangles, which is no triangle."""
    corners = faces.ravel()
    order = np.argsort(corners, kind="stable")
    counts = np.bincount(corners, minlength=vertex_count)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((vertex_count, int(counts.max(initial=0))), len(faces), dtype=np.int32)
    table[corners[order], rank] = order // 3
    return table


def vertex_normals(
    vertices: Float[jax.Array, "*batch vertices 3"], faces: Int[jax.Array | np.ndarray, "faces 3"]
) -> Float[jax.Array, "*batch vertices 3"]:
    """Unit normals, each the mean of those of the triangles around, weighted by area; zero where there is none.

    Args:
        vertices: Positions.
        faces: Triangles, counter-clockwise seen from outside.
    """
    corners = jnp.asarray(faces).T
    a, b, c = (vertices[..., corner, :] for corner in corners)
    across = jnp.cross(b - a, c - a)
    total = jnp.zeros_like(vertices)
    # Scattered rather than gathered from a table of the triangles around: poles have thirty, others six.
    for corner in corners:
        total = total.at[..., corner, :].add(across)
    squared = jnp.sum(total * total, axis=-1, keepdims=True)
    some = squared > 0
    # Not the length of a zero vector, whose derivative is not finite.
    return jnp.where(some, total * jax.lax.rsqrt(jnp.where(some, squared, 1)), 0)

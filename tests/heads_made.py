"""Made heads' meshes: subdivided, and in other units."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_jax.model import HeadModel


def subdivided(model: HeadModel) -> HeadModel:
    """The mean head with every triangle cut into four at its edges' middles; the first vertices are the old ones."""
    edges = np.sort(np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]]), axis=1)
    middles, index = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (len(model.v_template) + index.reshape(3, -1)).astype(np.int32)
    a, b, c = model.faces.T
    faces = np.concatenate(
        [np.stack(corners, axis=1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    )
    vertices = np.concatenate([model.v_template, model.v_template[middles].mean(axis=1)])
    return bare(model, vertices, faces)


def bare(model: HeadModel, vertices: np.ndarray, faces: np.ndarray) -> HeadModel:
    """A model of another mesh in the same unit, with a mean head only."""
    return HeadModel(
        v_template=vertices,
        shapedirs=np.zeros((len(vertices), 3, 1), dtype=vertices.dtype),
        faces=faces,
        metres_per_unit=model.metres_per_unit,
        name=model.name,
    )


def in_unit(model: HeadModel, metres_per_unit: float) -> HeadModel:
    """The mean head in another unit."""
    factor = model.metres_per_unit / metres_per_unit
    scaled = bare(model, (model.v_template * factor).astype(np.float32), model.faces)
    return dataclasses.replace(scaled, metres_per_unit=metres_per_unit)

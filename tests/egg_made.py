"""A small smooth head model: an egg with a nose and a few gentle modes, to be fitted in a moment."""

from __future__ import annotations

import numpy as np
import trimesh

from flame_jax.model import HeadModel

RADII_MM = (75.0, 100.0, 90.0)


def egg_model(modes: int = 8, subdivisions: int = 3, seed: int = 0) -> HeadModel:
    """An egg of head size in mm with `modes` identity modes of about 3 mm each; counter-clockwise triangles."""
    sphere = trimesh.creation.icosphere(subdivisions)
    directions = np.asarray(sphere.vertices)
    nose = 25 * np.exp(-8 * ((directions - [0, 0, 1]) ** 2).sum(axis=1))
    ear = 15 * np.exp(-20 * ((directions - [1, 0.2, -0.2]) ** 2).sum(axis=1))
    template = directions * (np.array(RADII_MM) + (nose + ear)[:, None])
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(size=(modes, 3, 3)), rng.uniform(0, 6, size=(modes, 3))
    shapedirs = 3 * np.sin(1.5 * np.einsum("kdi,vi->vdk", waves, directions) + phases.T[None])
    return HeadModel(
        v_template=template.astype(np.float32),
        shapedirs=shapedirs.astype(np.float32),
        faces=np.asarray(sphere.faces, np.int32),
        metres_per_unit=1e-3,
        name="egg",
    )


def full_egg_model(subdivisions: int = 3, seed: int = 0) -> HeadModel:
    """The same with FLAME's five joints, four expressions and small pose correctives."""
    model = egg_model(subdivisions=subdivisions, seed=seed)
    rng = np.random.default_rng(seed + 1)
    template = model.v_template.astype(float)
    centres = np.array([[0, -60, 0], [0, -40, 0], [0, -20, 10], [30, 20, 70], [-30, 20, 70]])
    squared = ((template[:, None] - centres[None]) ** 2).sum(axis=2)
    weights = np.exp(-squared / 40.0**2) + np.array([0.2, 1, 0, 0, 0])
    regressor = np.exp(-squared.T / 30.0**2)
    other = egg_model(4, subdivisions, seed + 2)
    return HeadModel(
        v_template=model.v_template,
        shapedirs=model.shapedirs,
        faces=model.faces,
        metres_per_unit=1e-3,
        exprdirs=other.shapedirs,
        posedirs=rng.normal(size=(len(template), 3, 36)).astype(np.float32),
        j_regressor=(regressor / regressor.sum(axis=1, keepdims=True)).astype(np.float32),
        kintree_parents=np.array([-1, 0, 1, 1, 1], np.int32),
        lbs_weights=(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        name="full egg",
    )

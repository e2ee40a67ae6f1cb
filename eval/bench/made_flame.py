"""A head model of FLAME's full layout that needs no licence: random numbers in the right places, for timing only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from flame_jax.model import HeadModel

VERTICES = 5_023
"""Vertices of FLAME; 9,976 triangles belong to them."""
IDENTITIES, EXPRESSIONS, JOINTS = 300, 100, 5

_OPEN = 66
"""Triangles that are missing to a closed surface: FLAME's neck is cut, and its lids and lips are open."""
_EYEBALL = 546
"""Vertices of one of FLAME's eyeballs, which are the last ones."""
_DISPLACEMENT_M = 1e-3


def made_flame(vertices: int = VERTICES, seed: int = 0) -> HeadModel:
    """A ball of 0.2 m with random components, in metres.

    A vertex follows three joints at most, and an eyeball its own one: programs that skip weights of zero may do so.
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(vertices, 3))
    ball = 0.1 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    hull = ConvexHull(ball)
    # The centre is inside, so the sign of a triangle's cone tells which way it faces.
    inward = np.linalg.det(ball[hull.simplices]) < 0
    faces = np.where(inward[:, None], hull.simplices[:, ::-1], hull.simplices)
    lowest_first = np.argsort(ball[faces][:, :, 1].mean(axis=1))
    weights = np.zeros((vertices, JOINTS))
    weights[:, :3] = rng.random((vertices, 3))
    eyeball = min(_EYEBALL, vertices // 8)
    weights[-2 * eyeball :] = 0
    weights[-2 * eyeball : -eyeball, 3] = 1
    weights[-eyeball:, 4] = 1
    regressor = np.zeros((JOINTS, vertices))
    for joint in range(JOINTS):
        regressor[joint, rng.choice(vertices, 8, replace=False)] = 1 / 8

    def components(count: int) -> np.ndarray:
        return (_DISPLACEMENT_M * rng.standard_normal((vertices, 3, count), np.float32)).astype(np.float32)

    return HeadModel(
        v_template=ball.astype(np.float32),
        shapedirs=components(IDENTITIES),
        faces=faces[lowest_first[_OPEN:]].astype(np.int32),
        exprdirs=components(EXPRESSIONS),
        posedirs=components(9 * (JOINTS - 1)),
        j_regressor=regressor.astype(np.float32),
        kintree_parents=np.array([-1, 0, 1, 1, 1], np.int32),
        lbs_weights=(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        name="made",
    )


def has_full_layout(model: HeadModel) -> bool:
    """Whether a model has all that FLAME's file has, in FLAME's numbers of components and joints."""
    parts = (model.exprdirs, model.posedirs, model.j_regressor, model.kintree_parents, model.lbs_weights)
    if any(part is None for part in parts):
        return False
    assert model.exprdirs is not None
    assert model.j_regressor is not None
    counts = (model.shapedirs.shape[2], model.exprdirs.shape[2], len(model.j_regressor))
    return counts == (IDENTITIES, EXPRESSIONS, JOINTS)


def write_under_flames_names(path: Path, model: HeadModel) -> None:
    """Write a model of full layout as an .npz with the names of FLAME's own pickles, which other programs know."""
    assert model.exprdirs is not None
    assert model.kintree_parents is not None
    # FLAME writes the root's missing parent as an unsigned -1.
    parents = model.kintree_parents.astype(np.uint32)
    np.savez(
        path,
        v_template=model.v_template,
        shapedirs=np.concatenate([model.shapedirs, model.exprdirs], axis=2),
        posedirs=np.asarray(model.posedirs),
        J_regressor=np.asarray(model.j_regressor),
        weights=np.asarray(model.lbs_weights),
        kintree_table=np.stack([parents, np.arange(len(parents), dtype=np.uint32)]),
        f=model.faces.astype(np.uint32),
    )

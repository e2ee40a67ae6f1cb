"""Parity with `body-models`, another FLAME in JAX, on the same files of FLAME's full layout."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from body_models.flame.jax import FLAME

from flame_jax import read_head_model
from flame_jax.flame import JOINTS, Flame
from tests.flame_made import chumpy_pickle, flame_parts, plain_pickle, write_npz

METRES = 1e-6
"""How far apart the two may be."""


@pytest.fixture(scope="module", params=[chumpy_pickle, plain_pickle, write_npz])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Flame, Any]:
    """One file, read by us and by them."""
    # Always called the same, because the name of a model is a constant of what is compiled.
    path, parts = tmp_path_factory.mktemp("parity") / "flame.pkl", flame_parts()
    if request.param is write_npz:
        path = write_npz(path.with_suffix(".npz"), parts)
    else:
        path.write_bytes(request.param(parts, 2))
    return Flame.of(read_head_model(path)), FLAME(model_path=path)


def _heads(*batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(len(batch) + sum(batch))
    widths = {"betas": 300, "expression": 100, "transl": 3} | dict.fromkeys(JOINTS, 3)
    return {name: rng.normal(size=(*batch, width)).astype(np.float32) for name, width in widths.items()}


@jax.jit
def _ours(
    flame: Flame, heads: dict[str, Any], corners: np.ndarray, b_coords: np.ndarray
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Vertices, joints and points of the surface."""
    rest = dict(heads)
    posed = flame.shaped(rest.pop("betas")).posed(**rest)
    return posed.vertices, posed.joints, posed.surface_points(corners, b_coords)


@jax.jit
def _theirs(model: Any, heads: dict[str, Any], point_regressor: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The same of theirs. They have a `global_rotation` too, about the origin, which FLAME has not."""
    arguments = {
        "head_pose": jnp.stack([heads[name] for name in JOINTS[1:]], axis=-2),
        "head_rotation": heads["global_orient"],
        "shape": heads["betas"],
        "expression": heads["expression"],
        "global_translation": heads["transl"],
    }
    points = model.forward_points(point_regressor=point_regressor, **arguments)
    return model.forward_vertices(**arguments), model.forward_skeleton(**arguments)[..., :3, 3], points


def _landmarks(flame: Flame, other: Any) -> tuple[tuple[np.ndarray, np.ndarray], Any]:
    """The same points of the surface in our form and in theirs."""
    rng = np.random.default_rng(7)
    corners = np.asarray(flame.faces)[rng.integers(0, len(flame.faces), 68)]
    b_coords = rng.dirichlet(np.ones(3), 68).astype(np.float32)
    mapping = np.zeros((68, other.num_vertices), np.float32)
    mapping[np.arange(68)[:, None], corners] = b_coords
    return (corners, b_coords), other.prepare_point_regressor(mapping)


@pytest.mark.parametrize("batch", [(1,), (3,)])
def test_vertices_joints_and_landmarks(both: tuple[Flame, Any], batch: tuple[int, ...]) -> None:
    flame, other = both
    heads, (landmarks, regressor) = _heads(*batch), _landmarks(flame, other)
    ours, theirs = _ours(flame, heads, *landmarks), _theirs(other, heads, regressor)
    assert [part.shape for part in ours] == [(*batch, 42, 3), (*batch, 5, 3), (*batch, 68, 3)]
    for mine, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=METRES)
    # The heads differ by far more than the two programs do.
    assert np.abs(theirs[0] - np.asarray(flame.v_template).T).max() > 1e5 * METRES


@pytest.mark.parametrize("joint", JOINTS)
def test_each_joint_is_the_same_one(both: tuple[Flame, Any], joint: str) -> None:
    flame, other = both
    landmarks, regressor = _landmarks(flame, other)
    neutral = {name: np.zeros_like(value) for name, value in _heads(1).items()}
    turned = neutral | {joint: _heads(1)[joint]}
    ours, theirs = _ours(flame, turned, *landmarks), _theirs(other, turned, regressor)
    for mine, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=METRES)
    assert np.abs(theirs[0] - _theirs(other, neutral, regressor)[0]).max() > 1e3 * METRES

"""Linear blend skinning: against its formula, and its stated derivative against JAX's own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax.skinning import joint_transforms, skinned

PARENTS = (-1, 0, 1, 1, 1)


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _plain(transforms: Any, weights: Any, rest: Any) -> jax.Array:
    """The formula, left to JAX to differentiate."""
    lifted = jnp.concatenate([rest, jnp.ones_like(rest[..., :1, :])], axis=-2)
    return jnp.einsum("...jik,jv,...kv->...iv", transforms, weights, lifted)


def _arguments(*batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    # Weights need not sum to one for the formula, and random transforms need not be rigid.
    return rng.normal(size=(*batch, 5, 3, 4)), rng.random((5, 11)), rng.normal(size=(*batch, 3, 11))


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_is_its_formula(batch: tuple[int, ...]) -> None:
    arguments = _arguments(*batch)
    moved = jax.jit(skinned)(*arguments)
    assert moved.shape == (*batch, 3, 11)
    np.testing.assert_allclose(moved, _plain(*arguments), rtol=0, atol=1e-13)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_derivatives_in_both_directions(batch: tuple[int, ...]) -> None:
    arguments = _arguments(*batch)
    for derivative in (jax.jacfwd, jax.jacrev):
        got = jax.jit(derivative(skinned, argnums=(0, 1, 2)))(*arguments)
        wanted = jax.jit(derivative(_plain, argnums=(0, 1, 2)))(*arguments)
        for mine, plain in zip(got, wanted, strict=True):
            np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_derivative_by_one_argument_alone(argument: int) -> None:
    arguments = _arguments()
    got, wanted = (jax.jit(jax.jacfwd(f, argnums=argument))(*arguments) for f in (skinned, _plain))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)


def test_tangents_and_cotangents() -> None:
    arguments, tangents = _arguments(2), _arguments(2, seed=1)
    (value, moved), (_, wanted) = (
        jax.jit(lambda x, dx, f=f: jax.jvp(f, x, dx))(arguments, tangents) for f in (skinned, _plain)
    )
    np.testing.assert_allclose(moved, wanted, rtol=0, atol=1e-13)
    # A forward and a reverse pass are each other's transpose.
    cotangent = np.random.default_rng(2).normal(size=value.shape)
    pulled = jax.jit(lambda x, back: jax.vjp(skinned, *x)[1](back))(arguments, cotangent)
    across = sum(np.vdot(back, tangent) for back, tangent in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(across, np.vdot(cotangent, moved), rtol=1e-12)


def test_second_derivatives() -> None:
    transforms, weights, rest = _arguments()

    def cost(f, transforms, weights, rest):
        return jnp.sum(f(transforms, weights, rest[:, :2]) ** 2)

    small = (transforms[:2], weights[:2, :2], rest)
    got, wanted = (jax.jit(jax.hessian(lambda *x, f=f: cost(f, *x), argnums=(0, 1)))(*small) for f in (skinned, _plain))
    for mine, plain in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-11)


def test_mapped_over_any_argument() -> None:
    transforms, weights, rest = _arguments(4)
    many_weights = np.stack([weights, 2 * weights, weights + 1, 0 * weights])
    wanted = [_plain(transforms[i], many_weights[i], rest[i]) for i in range(4)]
    mapped = jax.jit(jax.vmap(skinned))(transforms, many_weights, rest)
    np.testing.assert_allclose(mapped, wanted, rtol=0, atol=1e-13)
    got, plain = (
        jax.jit(jax.vmap(jax.grad(lambda *x, f=f: jnp.sum(f(*x)), argnums=(0, 1, 2)), in_axes=(0, None, None)))(
            transforms, weights, rest[0]
        )
        for f in (skinned, _plain)
    )
    for mine, theirs in zip(got, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_joints_turn_what_hangs_on_them(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    joints = rng.normal(size=(*batch, 5, 3))
    turns = Rotation.random(int(np.prod(batch)) * 5, random_state=4).as_matrix().reshape(*batch, 5, 3, 3)
    transforms = np.asarray(jax.jit(joint_transforms, static_argnums=2)(joints, turns, PARENTS))
    lifted = np.concatenate([transforms, np.broadcast_to([[0, 0, 0, 1.0]], (*batch, 5, 1, 4))], axis=-2)
    for joint, parent in enumerate(PARENTS):
        about = np.zeros((*batch, 4, 4))
        about[..., :3, :3], about[..., 3, 3] = turns[..., joint, :, :], 1
        turned = np.einsum("...ij,...j->...i", turns[..., joint, :, :], joints[..., joint, :])
        about[..., :3, 3] = joints[..., joint, :] - turned
        wanted = about if parent < 0 else lifted[..., parent, :, :] @ about
        np.testing.assert_allclose(lifted[..., joint, :, :], wanted, rtol=0, atol=1e-13)

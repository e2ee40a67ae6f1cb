"""The terms of a face field's loss: known answers."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fields.face_field import FaceField
from fields.latent import OPENING_SCALE, POSE, decoded
from fields.mesh import Mesh
from tests.fields_made import TINY, tiny_prior
from train.losses import bone_loss, code_rows, distance_loss, residual_losses, slope_losses

ROWS = 200
RNG = np.random.default_rng(0)


@functools.cache
def rows_at() -> tuple[np.ndarray, np.ndarray]:
    """Some vertices and their normals."""
    prior = tiny_prior()
    head = Mesh(np.asarray(prior.mean, np.float64), np.asarray(prior.faces))
    chosen = np.random.default_rng(1).choice(len(head.vertices), ROWS, replace=False)
    return chosen, head.vertex_normals()[chosen]


def test_rows_are_what_the_head_does() -> None:
    """Against differences through the head itself, for every number of the code."""
    prior, (chosen, normals) = tiny_prior(), rows_at()
    with jax.enable_x64(True):
        mean, modes, mouth = (np.asarray(array, np.float64) for array in (prior.mean, prior.modes, prior.open_mouth))
        rows = np.asarray(code_rows(mean, modes, mouth, chosen, normals))
        assert rows.shape == (ROWS, prior.modes.shape[2] + POSE)

        @jax.jit
        def head(code: jax.Array) -> jax.Array:
            return prior.head(decoded(code))[chosen]

        step, size = 1e-3, rows.shape[1]
        for at in range(size):
            way = step * np.eye(size)[at]
            # A jaw opens from shut only.
            back = np.zeros(size) if at == size - POSE else -way
            moved = (np.asarray(head(way)) - np.asarray(head(back))) / (way - back)[at]
            np.testing.assert_allclose(np.einsum("vd,vd->v", moved, normals), rows[:, at], atol=2e-3)
    assert np.abs(rows[:, -POSE]).max() > OPENING_SCALE


def test_distances_count_half_four_millimetres_off() -> None:
    true = jnp.array([0.0, 4.0, -4.0, 12.0])
    weights = np.array([1.0, 0.5, 0.5, 0.25])
    found = true + jnp.array([1.0, -2.0, 4.0, 8.0])
    assert float(distance_loss(found, true)) == pytest.approx(weights @ [1.0, 2.0, 4.0, 8.0] / weights.sum())
    assert float(distance_loss(true, true)) == 0.0
    # Nothing is clamped: what is far off has a slope too.
    slope = jax.grad(distance_loss)(true + 500.0, true)
    np.testing.assert_allclose(slope, weights / weights.sum(), rtol=1e-5)


def test_slopes_have_unit_length_and_the_normals_direction() -> None:
    true = RNG.normal(size=(50, 3))
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    near = jnp.where(jnp.arange(50) < 20, 1.0, 10.0)
    eikonal, normal = slope_losses(jnp.asarray(true), jnp.asarray(true), near)
    assert float(eikonal) == pytest.approx(0.0, abs=1e-9)
    assert float(normal) == pytest.approx(0.0, abs=1e-5)
    eikonal, normal = slope_losses(jnp.asarray(-3.0 * true), jnp.asarray(true), near)
    assert float(eikonal) == pytest.approx(4.0, rel=1e-4)
    assert float(normal) == pytest.approx(2.0, rel=1e-4)
    # Far from the surface only lengths count.
    mixed = jnp.where((jnp.arange(50) < 20)[:, None], true, -true)
    assert float(slope_losses(mixed, jnp.asarray(true), near)[1]) == pytest.approx(0.0, abs=1e-5)
    assert float(slope_losses(jnp.asarray(true), jnp.asarray(true), near + 50.0)[1]) == 0.0


def test_slopes_of_nothing_have_finite_derivatives() -> None:
    def total(gradients: jax.Array) -> jax.Array:
        eikonal, normal = slope_losses(gradients, jnp.ones((4, 3)) / jnp.sqrt(3.0), jnp.zeros(4))
        return eikonal + normal

    assert np.isfinite(jax.grad(total)(jnp.zeros((4, 3)))).all()


def test_bone_belongs_a_millimetre_under_the_skin() -> None:
    distances, valid = jnp.array([-5.0, -1.0, -0.5, 2.0, 50.0, 9.0]), jnp.array([True] * 5 + [False])
    assert float(bone_loss(distances, valid)) == pytest.approx((0.0 + 0.0 + 0.5 + 3.0 + 4.0) / 5)
    assert float(bone_loss(distances, jnp.zeros(6, bool))) == 0.0
    # What sticks out farther is no bone of the face, and pulls at nothing.
    assert float(jax.grad(bone_loss)(distances, valid)[4]) == 0.0
    assert float(jax.grad(bone_loss)(distances, valid)[3]) == pytest.approx(0.2)


@pytest.mark.parametrize("trained", [False, True])
def test_roughness_is_the_residual_s_slope(trained: bool) -> None:
    prior, model = tiny_prior(), FaceField(TINY, tiny_prior().modes.shape[2], rngs=nnx.Rngs(0))
    residual = model.residual
    assert residual is not None
    if trained:
        residual.out.kernel[...] = 0.1 * jax.random.normal(jax.random.key(0), residual.out.kernel.shape)
    code = model.encode(prior, jnp.full((TINY.anchors, 3, 9), 0.3))
    head = model.placed(prior, jnp.zeros(prior.modes.shape[2] + POSE))
    points = (np.asarray(prior.mean)[::200] + RNG.normal(0.0, 5.0, (49, 3))).astype(np.float32)
    ways = RNG.normal(size=points.shape)
    ways = (ways / np.linalg.norm(ways, axis=1, keepdims=True)).astype(np.float32)
    roughness, size = residual_losses(model, prior, code, head, jnp.asarray(points), jnp.asarray(ways))
    if not trained:
        assert float(roughness) == float(size) == 0.0
        return

    def at(places: np.ndarray) -> np.ndarray:
        moved, more = residual(code, prior.anchors.points, jnp.asarray(places))
        return np.concatenate([moved, more[:, None]], axis=1)

    places, step = np.asarray(model.places(prior, head, jnp.asarray(points))), 0.05
    slopes = (at(places + step * ways) - at(places - step * ways)) / (2.0 * step)
    assert float(size) == pytest.approx((at(places) ** 2).sum(axis=1).mean(), rel=1e-4)
    assert float(roughness) == pytest.approx((slopes**2).sum(axis=1).mean(), rel=0.02)
    assert float(roughness) > 1e-5


def test_without_a_residual_there_is_nothing_to_be_rough() -> None:
    config = dataclasses.replace(TINY, residual=False)
    model, prior = FaceField(config, tiny_prior().modes.shape[2], rngs=nnx.Rngs(0)), tiny_prior()
    code = model.encode(prior, jnp.zeros((TINY.anchors, 3, 9)))
    head = model.placed(prior, code.estimate)
    assert [float(term) for term in residual_losses(model, prior, code, head, jnp.ones((5, 3)), jnp.ones((5, 3)))] == [
        0.0,
        0.0,
    ]

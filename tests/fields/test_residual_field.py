"""The residual field: nothing before training, and then smooth, local, and on the skull's side."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from fields.field_config import ResidualConfig
from fields.residual_field import ResidualField
from fields.skull_encoder import SkullCode

WIDTH, GLOBAL = 6, 8
ANCHORS = np.array([[0, 0, 80], [60, 0, 20], [-60, 0, 20], [0, 90, 30], [0, -70, 60.0]], np.float32)
PLACES = np.random.default_rng(0).uniform(-90.0, 90.0, (200, 3)).astype(np.float32)


def code(seed: int = 0) -> SkullCode:
    rng = np.random.default_rng(seed)
    sizes = ((4,), (len(ANCHORS), WIDTH), (GLOBAL,), (len(ANCHORS),))
    return SkullCode(*(jnp.asarray(rng.normal(size=size), jnp.float32) for size in sizes))


def field(*, trained: bool) -> ResidualField:
    """As it starts, or with a last layer that says something."""
    made = ResidualField(ResidualConfig(width=24, layers=2, overall=4), WIDTH, GLOBAL, rngs=nnx.Rngs(0))
    if trained:
        made.out.kernel[...] = 0.2 * jax.random.normal(jax.random.key(1), made.out.kernel.shape)
    return made


def test_there_is_nothing_before_training() -> None:
    moved, more = field(trained=False)(code(), ANCHORS, PLACES)
    np.testing.assert_array_equal(moved, 0.0)
    np.testing.assert_array_equal(more, 0.0)


def test_every_place_is_for_itself() -> None:
    made = field(trained=True)
    moved, more = made(code(), ANCHORS, PLACES)
    assert 0.1 < np.abs(moved).mean() < 5.0
    some = np.random.default_rng(1).permutation(len(PLACES))[:50]
    np.testing.assert_allclose(made(code(), ANCHORS, PLACES[some])[0], moved[some], atol=1e-5)
    np.testing.assert_allclose(made(code(), ANCHORS, PLACES[some])[1], more[some], atol=1e-5)


def test_a_token_speaks_for_its_neighbourhood() -> None:
    made = field(trained=True)
    before = np.asarray(made(code(), ANCHORS, ANCHORS)[0])
    tokens = jax.numpy.asarray(code().tokens).at[0].add(1.0)
    after = np.asarray(made(dataclasses.replace(code(), tokens=tokens), ANCHORS, ANCHORS)[0])
    change = np.linalg.norm(after - before, axis=1)
    assert change[0] > 0.05
    assert change[1:].max() < 1e-3 * change[0]
    whole = dataclasses.replace(code(), overall=code().overall + 1.0)
    assert np.linalg.norm(made(whole, ANCHORS, ANCHORS)[0] - before, axis=1).min() > 1e-3


def test_the_anchors_order_does_not_matter() -> None:
    made, order = field(trained=True), np.array([3, 0, 4, 1, 2])
    turned = dataclasses.replace(code(), tokens=code().tokens[order])
    for one, other in zip(made(code(), ANCHORS, PLACES), made(turned, ANCHORS[order], PLACES), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


def test_values_and_slopes_are_finite_far_off() -> None:
    far = np.concatenate([ANCHORS, 1e4 * ANCHORS, np.zeros((1, 3), np.float32)])

    def total(places: jax.Array) -> jax.Array:
        moved, more = field(trained=True)(code(), ANCHORS, places)
        return moved.sum() + more.sum()

    found, slope = jax.value_and_grad(total)(jnp.asarray(far))
    assert np.isfinite(found)
    assert np.isfinite(slope).all()

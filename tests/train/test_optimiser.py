"""Learning rates, what weight decay applies to, and the clipped gradient."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from train.optimiser import decayed, learning_rates, make_optimiser
from train.training import Training

TRAINING = Training(steps=100, warmup=10, learning_rate=0.2, final_rate=0.1)
PARAMS = {
    "layer": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)},
    "stacked": {"kernel": jnp.ones((4, 2, 3)), "bias": jnp.ones((4, 3)), "scale": jnp.ones((4, 3))},
    "token": jnp.ones(5),
}


def test_the_rate_grows_linearly_then_falls_along_a_cosine():
    rates = np.array([learning_rates(TRAINING)(step) for step in range(101)])
    np.testing.assert_allclose(rates[:10], 0.2 * (1 / 11 + np.arange(10) / 11), rtol=1e-5)
    halfway = 0.02 + (0.2 - 0.02) * (1 + math.cos(math.pi / 2)) / 2
    np.testing.assert_allclose(rates[[10, 55, 100]], [0.2, halfway, 0.02], rtol=1e-5)


def test_without_a_warm_up_the_first_rate_is_the_highest():
    rates = learning_rates(dataclasses.replace(TRAINING, warmup=0))
    assert float(rates(0)) == pytest.approx(0.2)


def test_weight_decay_is_for_matrices():
    assert decayed(PARAMS) == {
        "layer": {"kernel": True, "bias": False},
        "stacked": {"kernel": True, "bias": False, "scale": False},
        "token": False,
    }


def test_without_gradients_only_what_decays_moves():
    optimiser = make_optimiser(dataclasses.replace(TRAINING, weight_decay=0.5))
    updates, _ = optimiser.update(jax.tree.map(jnp.zeros_like, PARAMS), optimiser.init(PARAMS), PARAMS)
    first_rate = 0.2 / 11
    np.testing.assert_allclose(updates["layer"]["kernel"], -0.5 * first_rate, rtol=1e-5)
    np.testing.assert_array_equal(updates["stacked"]["bias"], 0.0)


def test_a_long_gradient_is_scaled_down_as_a_whole():
    """Adam's first moment after one step is a tenth of the gradient that it was given."""
    optimiser = make_optimiser(dataclasses.replace(TRAINING, clip_norm=0.5))
    gradient = jax.tree.map(lambda leaf: 7.0 * leaf, PARAMS)
    _, state = optimiser.update(gradient, optimiser.init(PARAMS), PARAMS)
    moments = [np.asarray(leaf) for leaf in jax.tree.leaves(state[1][0].mu)]
    np.testing.assert_allclose(np.sqrt(sum((moment**2).sum() for moment in moments)), 0.05, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([moment.ravel() for moment in moments]), moments[0].flat[0], rtol=1e-5)

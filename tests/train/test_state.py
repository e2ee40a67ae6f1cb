"""The state: shapes before arrays, and a model that is nothing but parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.training_made import ToyModel, ToyTask
from train.optimiser import make_optimiser
from train.state import merge_model, new_state, split_model
from train.training import Training


def test_shapes_are_those_of_the_state():
    def make():
        return new_state(ToyTask(), 0, make_optimiser(Training()))

    (graphdef, shapes), (same, state) = jax.eval_shape(make), make()
    assert graphdef == same
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )


def test_a_model_comes_back_from_its_parts():
    model, x = ToyModel(nnx.Rngs(3)), jnp.ones((2, 6))
    np.testing.assert_array_equal(merge_model(*split_model(model))(x), model(x))


def test_other_state_than_parameters_is_refused():
    class Noisy(nnx.Module):
        def __init__(self) -> None:
            self.inner = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    with pytest.raises(ValueError, match=r"the model's inner\.rngs\S* is no nnx\.Param"):
        split_model(Noisy())

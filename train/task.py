"""What the training machinery needs to know of that which it trains, and all that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
from flax import nnx

Batch = Any
"""A pytree of arrays whose leading axis counts the examples."""
Constants = Any
"""A pytree of arrays."""


@runtime_checkable
class Task(Protocol):
    """Something to train: a model, where its batches come from, its loss and its validation.

    All methods but `validate` are traced by JAX: they are pure, and every array beyond a few numbers that they use
    comes in through `constants` (an array that a traced function closes over would be compiled into the program).
    """

    @property
    def constants(self) -> Constants:
        """Arrays that never change: grids, generators, validation data. They are put on every device once.

        Asked for more than once, so hold them rather than make them.
        """

    def make_model(self, seed: int) -> nnx.Module:
        """A new model. All of its state is `nnx.Param`: what else it needs comes with the constants or the key."""

    def draw_batch(self, constants: Constants, key: jax.Array, size: int) -> Batch:
        """A batch of `size` examples that depends on the key alone; every leaf has a leading axis of that length."""

    def loss(
        self, model: Any, constants: Constants, batch: Batch, key: jax.Array
    ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        """Mean loss over the batch, a scalar, and other scalars to be logged, by name."""

    def validate(self, model: Any, constants: Constants) -> Mapping[str, float]:
        """Figures to be logged, by name. An ordinary function of the host; the model has the averaged weights."""

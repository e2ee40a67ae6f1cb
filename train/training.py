"""How long, how fast and how carefully a network is trained. Imports nothing heavy: the command line offers it."""

from __future__ import annotations

import dataclasses
import math

from flame_jax.errors import InputError

MAY_CHANGE = frozenset({"steps", "checkpoint_minutes", "keep", "validate_every", "log_every"})
"""Fields that a resumed run may have other values of: none of them changes what a step computes, save that `steps`
stretches the learning rate's schedule over the new length."""


@dataclasses.dataclass(frozen=True)
class Training:
    """Hyperparameters of a training run that do not depend on what is trained."""

    seed: int = 0
    """Of the first parameters, and of random choices inside the loss."""
    data_seed: int = 1
    """Of the batches: the batch of a step depends on this and the step's number alone."""
    steps: int = 20_000
    """Optimiser steps in all."""
    batch: int = 64
    """Examples per step, over all devices together."""
    learning_rate: float = 1e-3
    """At its highest, after the warm-up."""
    warmup: int = 500
    """Steps over which the learning rate grows linearly to its highest."""
    final_rate: float = 0.02
    """Learning rate after the last step, as a fraction of the highest; it falls along a cosine."""
    weight_decay: float = 0.01
    """Of matrices, decoupled from the gradient (AdamW); biases, norms' scales and vectors have none."""
    clip_norm: float = 1.0
    """Longest norm of the whole gradient; a longer one is scaled down to it."""
    ema_decay: float = 0.999
    """Of the moving average of the parameters, which is what is validated and shipped."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints; there is one at the end besides."""
    keep: int = 3
    """How many of the last checkpoints stay on disk."""
    validate_every: int = 1_000
    """Steps between validations; there is one at the end besides."""
    log_every: int = 50
    """Steps between lines of the log, which tell means over these steps."""

    def check(self) -> None:
        """Raise `InputError` that names the first field whose value makes no sense."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least, below = _BOUNDS.get(field.name, (-math.inf, math.inf))
            if not value >= least:
                raise InputError(f"training.{field.name} is {value}; give {least:g} or more")
            if not value < below:
                raise InputError(f"training.{field.name} is {value}; give less than {below:,.0f}")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise InputError(f"training.{name} is {getattr(self, name)}; give more than 0")
        if self.final_rate > 1:
            raise InputError(f"training.final_rate is {self.final_rate}; give a fraction, 0 to 1")
        if self.warmup >= self.steps:
            raise InputError(f"training.warmup is {self.warmup}; give fewer than training.steps, {self.steps}")


_SEEDS = (0, 2**32)
_BOUNDS: dict[str, tuple[float, float]] = {
    "seed": _SEEDS,
    "data_seed": _SEEDS,
    "steps": (1, 2**31),
    "batch": (1, 2**31),
    "learning_rate": (0.0, math.inf),
    "warmup": (0, math.inf),
    "final_rate": (0.0, math.inf),
    "weight_decay": (0.0, math.inf),
    "clip_norm": (0.0, math.inf),
    "ema_decay": (0.0, 1.0),
    "checkpoint_minutes": (0.0, math.inf),
    "keep": (1, math.inf),
    "validate_every": (1, math.inf),
    "log_every": (1, math.inf),
}
"""Least value, and the value that it must stay below."""

"""A small task to train: a network that learns a fixed nonlinear function."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from train.programs import Programs, make_programs
from train.training import Training

INPUTS, WIDTH, OUTPUTS = 6, 16, 3


class ToyModel(nnx.Module):
    """Two residual layers between a first and a last one, with a norm."""

    def __init__(self, rngs: nnx.Rngs, width: int = WIDTH) -> None:
        kind = jnp.zeros(()).dtype
        self.first = nnx.Linear(INPUTS, width, rngs=rngs, param_dtype=kind)
        self.layers = nnx.List([nnx.Linear(width, width, rngs=rngs, param_dtype=kind) for _ in range(2)])
        self.norm = nnx.LayerNorm(width, rngs=rngs, param_dtype=kind)
        self.last = nnx.Linear(width, OUTPUTS, rngs=rngs, param_dtype=kind)

    def __call__(self, x: jax.Array) -> jax.Array:
        """(…, inputs) → (…, outputs)."""
        x = self.first(x)
        for layer in self.layers:
            x = x + nnx.gelu(layer(self.norm(x)))
        return self.last(x)


@dataclasses.dataclass(frozen=True)
class ToyTask:
    """Learns y = sin(W x) from noisy examples."""

    width: int = WIDTH
    poisoned: bool = False
    """Whether every batch holds a NaN."""

    @property
    def constants(self) -> dict[str, jax.Array]:
        """W."""
        return {"weights": jax.random.normal(jax.random.key(7), (INPUTS, OUTPUTS)) / 2}

    def make_model(self, seed: int) -> ToyModel:
        return ToyModel(nnx.Rngs(seed), self.width)

    def draw_batch(self, constants: Any, key: jax.Array, size: int) -> dict[str, jax.Array]:
        x = jax.random.normal(key, (size, INPUTS))
        y = jnp.sin(x @ constants["weights"])
        return {"x": x, "y": y.at[0, 0].set(jnp.nan) if self.poisoned else y}

    def loss(self, model: Any, constants: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        noise = 0.01 * jax.random.normal(key, batch["y"].shape)
        misses = model(batch["x"]) - batch["y"] - noise
        return jnp.mean(misses**2), {"worst": jnp.abs(misses).max()}

    def validate(self, model: Any, constants: Any) -> dict[str, float]:
        x = jax.random.normal(jax.random.key(99), (64, INPUTS))
        return {"rms": float(jnp.sqrt(jnp.mean((model(x) - jnp.sin(x @ constants["weights"])) ** 2)))}


@dataclasses.dataclass(frozen=True)
class ToyModelConfig:
    """The model."""

    width: int = WIDTH
    """Of its layers."""


SHORT = Training(steps=4, batch=8, warmup=1, checkpoint_minutes=60.0, keep=2, validate_every=100, log_every=2)


@dataclasses.dataclass(frozen=True)
class ToyExperiment:
    """An experiment as `s2f train` takes it."""

    model: ToyModelConfig = ToyModelConfig()
    """The model."""
    training: Training = SHORT
    """The training."""

    def make_task(
        self, out: Path | None = None, about: Mapping[str, Any] | None = None, init_from: Path | None = None
    ) -> ToyTask:
        return ToyTask(self.model.width)


EXPERIMENTS = {
    "toy": ToyExperiment(),
    "wide": ToyExperiment(model=ToyModelConfig(width=32)),
}


def toy_programs(task: ToyTask, training: Training = SHORT, mesh: None = None) -> Programs:
    """`make_programs`, but each is made and compiled once: these fields are not in them."""
    same = dataclasses.replace(training, checkpoint_minutes=60.0, keep=2, validate_every=100, log_every=2)
    return _programs(task, same)


_programs = functools.cache(make_programs)

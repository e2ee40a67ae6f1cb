"""What a skull adds to the prior's field: a deformation Δ and a correction δ, both zero before training."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from fields.field_config import ResidualConfig
from fields.skull_encoder import SkullCode
from flame_jax.model import Array

_REACH_MM = 14.0
"""Width of the window through which a place reads the tokens around it: about the distance between anchors."""
_LONGEST_MM = 256.0
_OCTAVES = 6
"""Of the place's sines, from `_LONGEST_MM` down to 8 mm: finer detail no skull tells anything about."""


class ResidualField(nnx.Module):
    """Δ(y, c) and δ(y, c) for places y around the mean head and the code c of one skull."""

    def __init__(self, config: ResidualConfig, token_width: int, global_width: int, *, rngs: nnx.Rngs):
        zeros = nnx.initializers.zeros_init()
        self.overall = nnx.Linear(global_width, config.overall, rngs=rngs)
        sizes = [3 + 6 * _OCTAVES + token_width + config.overall + 1] + [config.width] * config.layers
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])
        self.out = nnx.Linear(config.width, 4, kernel_init=zeros, rngs=rngs)
        self.scale_mm = config.scale_mm

    def __call__(
        self, code: SkullCode, anchors: Float[Array, "anchors 3"], places: Float[Array, "places 3"]
    ) -> tuple[Float[jax.Array, "places 3"], Float[jax.Array, " places"]]:
        """Δ (mm) and δ (mm); places in mm, where the mean head lies."""
        waves = (2.0 * jnp.pi / _LONGEST_MM * 2.0 ** jnp.arange(_OCTAVES))[:, None]
        phases = (places[:, None] * waves[None]).reshape(len(places), -1)
        local, near = _read(code.tokens, anchors, places)
        overall = jnp.tile(self.overall(jnp.asarray(code.overall))[None], (len(places), 1))
        hidden = jnp.concatenate([places / 100.0, jnp.sin(phases), jnp.cos(phases), local, near, overall], axis=1)
        for layer in self.layers:
            hidden = jax.nn.silu(layer(hidden))
        out = self.scale_mm * self.out(hidden)
        return out[:, :3], out[:, 3]


def _read(tokens: Array, anchors: Array, places: Array) -> tuple[jax.Array, jax.Array]:
    """Mean of the tokens around each place, and how near they are."""
    squared = (
        jnp.sum(places**2, axis=1)[:, None] + jnp.sum(jnp.asarray(anchors) ** 2, axis=1)[None] - 2 * places @ anchors.T
    )
    scores = -0.5 / _REACH_MM**2 * squared
    return jax.nn.softmax(scores, axis=1) @ tokens, jnp.tanh(jax.nn.logsumexp(scores, axis=1) / 4.0)[:, None]

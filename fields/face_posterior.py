"""What a skull, and the fullness if it is known, say about the code of its face: a low-rank Gaussian."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from fields.first_estimate import FirstEstimate
from fields.low_rank_gaussian import LowRankGaussian
from fields.skull_encoder import SkullCode
from flame_jax.model import Array


class FacePosterior(nnx.Module):
    """q(z | skull, fullness): the linear estimate, corrected by what the network saw. Acts on one skull."""

    def __init__(self, code: int, rank: int, global_width: int, *, rngs: nnx.Rngs):
        zeros = nnx.initializers.zeros_init()
        self.rank = rank
        # Departures from what the regressions left over.
        self.fullness = nnx.Param(jnp.zeros((code,)))
        self.factor = nnx.Param(jnp.zeros((code, rank)))
        self.log_sd = nnx.Param(jnp.zeros((code,)))
        self.correct = nnx.Linear(global_width + 2, code, kernel_init=zeros, rngs=rngs)
        self.spread = nnx.Linear(global_width + 2, code + rank, kernel_init=zeros, rngs=rngs)
        self.turned = nnx.Linear(global_width + 2, rank * rank, kernel_init=zeros, rngs=rngs)

    def __call__(self, first: FirstEstimate, code: SkullCode, fullness: Float[Array, ""]) -> LowRankGaussian:
        """The posterior; a fullness that is NaN is unknown."""
        known = jnp.isfinite(fullness)
        fullness = jnp.where(known, fullness, 0.0)
        seen = jnp.concatenate([code.overall, jnp.stack([known.astype(jnp.float32), fullness])])
        spread = self.spread(seen)
        size = len(code.estimate)
        basis = first.factor + self.factor[...]
        mixed = jnp.diag(jnp.exp(jnp.clip(spread[size:], -3.0, 3.0)))
        factor = basis @ (mixed + (0.1 * self.turned(seen)).reshape(self.rank, self.rank))
        return LowRankGaussian(
            mean=code.estimate + fullness * (first.fullness + self.fullness[...]) + self.correct(seen),
            factor=factor,
            log_sd=jnp.clip(first.log_sd + self.log_sd[...] + spread[:size], -5.0, 2.0),
        )

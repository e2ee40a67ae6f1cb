"""From what the anchors saw of a skull to tokens, a global code, and a first estimate of the head.

The first estimate is linear, and robust by construction. Let x̂ be the standardised features of all anchors and W, F
the linear maps from features to code and back, which start as regressions on whole skulls (`fields.first_estimate`).
Where an anchor saw nothing, or something else than bone, it is told what the others imply:

    z ← W (F z + w ∘ (x̂ − F z)),      w = presence · 1 / (1 + |x̂ − F z|² / τ²) per anchor

which for Gaussian variables is expectation maximisation with missing data (Dempster, Laird, Rubin, JRSS B 39, 1977;
for principal components: Roweis, NIPS 1998), with Geman-McClure weights for what does not fit: displaced jaws, tubes,
vertebrae. A transformer then reads features and misfits, and corrects the estimate.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from fields.anchor_pooling import FEATURES, WIDTHS_MM
from fields.field_config import EncoderConfig
from fields.first_estimate import FirstEstimate
from flame_jax.model import Array

SEEN = len(WIDTHS_MM) * FEATURES
"""Numbers that an anchor sees."""
_STEP = 0.02
"""Of departures from the regressions, whose entries are of the order of 0.01."""
_JUDGED_BY = 1
"""Window whose count tells whether there is bone."""
_WHOLE_FROM = 0.5
"""Share of a whole skull's mean count from which on there is bone for certain: people's counts differ, and a hole
leaves less. Chosen, not fitted, as are the next two; what was trained is tied to them."""
_MOST_STANDARD = 8.0
"""Standard deviations at which features end. What is so strange is doubted anyhow, and the network is to meet no number
that is far from those that it was trained with."""
_DOUBTED_FROM = 3.0
"""τ in standard deviations of the features, times a factor of each anchor that begins at one and is trained: what
differs by so much is half believed, as one would take three standard deviations for odd."""
_LEAST_DOUBT = 0.1
"""Least that this factor counts for: τ is divided by."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SkullCode:
    """What a skull says. A pytree."""

    estimate: Float[Array, "*batch code"]
    """The linear estimate of the face's code, without fullness."""
    tokens: Float[Array, "*batch anchors width"]
    overall: Float[Array, "*batch global_width"]
    trust: Float[Array, "*batch anchors"]
    """w: how much of each anchor was believed, 0 to 1."""


class SkullEncoder(nnx.Module):
    """See the module's docstring. Acts on one skull; `jax.vmap` for many."""

    def __init__(self, config: EncoderConfig, anchors: int, code: int, *, rngs: nnx.Rngs):
        self.rounds = config.rounds
        # Departures from the regressions: weight decay then pulls towards these, and not towards nothing.
        self.infer = nnx.Param(jnp.zeros((code, anchors * SEEN)))
        self.imply = nnx.Param(jnp.zeros((anchors * SEEN, code)))
        self.doubt = nnx.Param(jnp.ones((anchors,)))
        self.place = nnx.Param(0.02 * jax.random.normal(rngs.params(), (anchors, config.width)))
        self.look = nnx.Linear(2 * SEEN + 2, config.width, rngs=rngs)
        self.blocks = nnx.List([_Block(config.width, config.heads, rngs=rngs) for _ in range(config.blocks)])
        self.squeeze = nnx.Linear(config.width, config.squeezed, rngs=rngs)
        self.gather = nnx.Linear(anchors * config.squeezed + code, config.global_width, rngs=rngs)
        self.mix = nnx.Linear(config.global_width, config.global_width, rngs=rngs)

    def __call__(self, first: FirstEstimate, features: Float[Array, "anchors windows features"]) -> SkullCode:
        """Encode what anchors saw (`fields.anchor_pooling.pooled`)."""
        seen = jnp.asarray(features).reshape(features.shape[0], SEEN)
        presence = jnp.clip(seen[:, _JUDGED_BY * FEATURES] / (_WHOLE_FROM * first.plenty), 0.0, 1.0)
        standard = jnp.clip((seen - first.centre) / first.scale, -_MOST_STANDARD, _MOST_STANDARD)
        estimate, trust, misfit = self._estimate(first, standard, presence)
        shown = jnp.concatenate(
            [presence[:, None] * standard, presence[:, None] * misfit, presence[:, None], trust[:, None]], axis=1
        )
        tokens = jnp.asarray(self.look(shown) + self.place[...])
        for block in self.blocks:
            tokens = block(tokens)
        flat = jnp.concatenate([self.squeeze(tokens).reshape(-1), estimate])
        overall = jax.nn.gelu(self.gather(flat))
        overall = overall + jax.nn.gelu(self.mix(overall))
        return SkullCode(first.mean + estimate, tokens, overall, trust)

    def fold(self, first: FirstEstimate) -> FirstEstimate:
        """The regressions with the departures from them, which become zero."""
        folded = dataclasses.replace(
            first, infer=first.infer + _STEP * self.infer[...], imply=first.imply + _STEP * self.imply[...]
        )
        self.infer[...], self.imply[...] = jnp.zeros_like(self.infer[...]), jnp.zeros_like(self.imply[...])
        return folded

    def _estimate(
        self, first: FirstEstimate, standard: jax.Array, presence: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        infer, imply = first.infer + _STEP * self.infer[...], first.imply + _STEP * self.imply[...]
        doubt = jnp.maximum(self.doubt[...], _LEAST_DOUBT)
        code: jax.Array = jnp.zeros(infer.shape[0], standard.dtype)
        trust, misfit = presence, standard
        for _ in range(self.rounds):
            expected = (imply @ code).reshape(standard.shape)
            misfit = standard - expected
            # What one person's bone differs by from what the code implies is of the order of the features' own spread.
            trust = presence / (1.0 + jnp.mean(misfit**2, axis=1) / (_DOUBTED_FROM * doubt) ** 2)
            code = jnp.asarray(infer @ (expected + trust[:, None] * misfit).reshape(-1))
        return code, trust, misfit


class _Block(nnx.Module):
    """Self-attention and a two-layer network, each on normalised tokens and added to them."""

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs):
        self.heads = heads
        self.before = nnx.LayerNorm(width, rngs=rngs)
        self.project = nnx.Linear(width, 3 * width, rngs=rngs)
        self.attended = nnx.Linear(width, width, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)
        self.between = nnx.LayerNorm(width, rngs=rngs)
        self.widen = nnx.Linear(width, 2 * width, rngs=rngs)
        self.narrow = nnx.Linear(2 * width, width, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, tokens: Float[Array, "tokens width"]) -> Float[jax.Array, "tokens width"]:
        parts = self.project(self.before(tokens)).reshape(len(tokens), 3, self.heads, -1)
        attended = jax.nn.dot_product_attention(parts[None, :, 0], parts[None, :, 1], parts[None, :, 2])[0]
        tokens = jnp.asarray(tokens) + self.attended(attended.reshape(tokens.shape))
        return tokens + self.narrow(jax.nn.gelu(self.widen(self.between(tokens))))

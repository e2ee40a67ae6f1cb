"""AdamW with a clipped gradient, a linear warm-up and a cosine decay.

Loshchilov and Hutter, *Decoupled weight decay regularization* (ICLR 2019) and *SGDR* (ICLR 2017).
"""

from __future__ import annotations

from typing import Any

import jax
import optax

from train.training import Training

_B2 = 0.99
"""Decay of the squared gradients. Adam's 0.999 remembers a thousand steps: with the moving targets of fresh batches and
the short runs on a CPU that is too long."""
_UNDECAYED = ("bias", "scale")
"""Last parts of the names of parameters without weight decay, whatever their rank: layers that are stacked for a scan
have biases of rank two."""


def learning_rates(training: Training) -> optax.Schedule:
    """Learning rate by the number of updates made so far. The first update has a rate above zero."""
    return optax.warmup_cosine_decay_schedule(
        init_value=training.learning_rate / (training.warmup + 1),
        peak_value=training.learning_rate,
        warmup_steps=training.warmup,
        decay_steps=training.steps,
        end_value=training.learning_rate * training.final_rate,
    )


def make_optimiser(training: Training) -> optax.GradientTransformation:
    """What turns gradients into updates."""
    return optax.chain(
        optax.clip_by_global_norm(training.clip_norm),
        optax.adamw(learning_rates(training), b2=_B2, weight_decay=training.weight_decay, mask=decayed),
    )


def decayed(params: Any) -> Any:
    """Which parameters weight decay applies to: a bool for each."""

    def applies(path: tuple[Any, ...], leaf: Any) -> bool:
        return leaf.ndim > 1 and jax.tree_util.keystr(path[-1:], simple=True) not in _UNDECAYED

    return jax.tree_util.tree_map_with_path(applies, params)

"""Means of metrics over the steps between two lines of the log, summed up on the device."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

Sums = dict[str, tuple[jax.Array, jax.Array]]
"""Sum of the finite values and how many they are, by name."""


@jax.jit
def add(sums: Sums | None, metrics: Mapping[str, jax.Array]) -> Sums:
    """Sums with one step's metrics added; None begins. A value that is not finite is left out."""
    added = {}
    for name, value in metrics.items():
        total, counted = (0.0, 0) if sums is None else sums[name]
        finite = jnp.isfinite(value)
        added[name] = (total + jnp.where(finite, value, 0.0), counted + finite.astype(jnp.int32))
    return added


def means(sums: Sums) -> dict[str, float]:
    """The means, on the host; NaN where no value was finite."""
    return {
        name: float(total) / int(counted) if counted else float("nan")
        for name, (total, counted) in jax.device_get(sums).items()
    }

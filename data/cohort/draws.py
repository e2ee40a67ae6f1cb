"""Random draws for one kind of harm, all from one row of uniform numbers.

A key of its own for each draw would be simpler, but XLA compiles each random generator apart: sixty of them took 17 s.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from data.cohort.severities import Severity
from flame_jax.model import Array


class Draws:
    """Draws that each use up the next numbers of the row. Traceable by jax."""

    def __init__(self, uniforms: Float[Array, " numbers"], severity: Severity):
        self._uniforms = jnp.asarray(uniforms)
        self._used = 0
        self._severity = jnp.asarray(severity, jnp.float32)

    def even(self, low: float, high: float, shape: tuple[int, ...] = ()) -> Float[jax.Array, "..."]:
        """Numbers evenly between two, whatever the severity. Raises `ValueError` at the row's end."""
        start, self._used = self._used, self._used + math.prod(shape)
        if self._used > len(self._uniforms):
            raise ValueError(f"a row of {len(self._uniforms)} uniform numbers is too short")
        return low + (high - low) * self._uniforms[start : self._used].reshape(shape)

    def happens(self, chance: float) -> Bool[jax.Array, ""]:
        """Whether it happens: 1 − (1 − chance)^severity of the time."""
        # The power of zero is one even where the base is zero too: never means never.
        return self.even(0.0, 1.0) >= (1.0 - chance) ** self._severity

    def worse(self, least: float, worst: float, shape: tuple[int, ...] = ()) -> Float[jax.Array, "..."]:
        """Sizes between least and worst: evenly at severity 1, nearer to the worst with more."""
        # At severity zero nothing happens; the size must be finite all the same.
        return least + (worst - least) * self.even(0.0, 1.0, shape) ** (1.0 / jnp.maximum(self._severity, 0.01))

    def choice(self, chances: tuple[float, ...]) -> Int[jax.Array, ""]:
        """One of several, by their chances."""
        return jnp.sum(self.even(0.0, sum(chances)) >= jnp.cumsum(jnp.asarray(chances))[:-1])

    def one_of(self, eligible: Bool[Array, " items"], shape: tuple[int, ...]) -> Int[jax.Array, "..."]:
        """Indices of items that are eligible."""
        rank = jnp.cumsum(eligible)
        return jnp.minimum(jnp.searchsorted(rank, self.even(0.0, 1.0, shape) * rank[-1], side="right"), len(rank) - 1)

    def direction(self, shape: tuple[int, ...] = ()) -> Float[jax.Array, "..."]:
        """Unit vectors, evenly over the sphere: heights are uniform (Archimedes)."""
        height, turn = self.even(-1.0, 1.0, shape), self.even(0.0, 2 * math.pi, shape)
        radius = jnp.sqrt(1.0 - height * height)
        return jnp.stack([radius * jnp.cos(turn), radius * jnp.sin(turn), height], axis=-1)

    def rotation(self) -> Float[jax.Array, "3 3"]:
        """A rotation matrix, evenly over all rotations, by way of a unit quaternion (Shoemake, "Uniform random
        rotations", Graphics Gems III, 1992)."""
        share, first, second = self.even(0.0, 1.0), self.even(0.0, 2 * math.pi), self.even(0.0, 2 * math.pi)
        low, high = jnp.sqrt(1.0 - share), jnp.sqrt(share)
        x, y, z, w = low * jnp.sin(first), low * jnp.cos(first), high * jnp.sin(second), high * jnp.cos(second)
        return jnp.stack(
            [
                1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
            ]
        ).reshape(3, 3)  # fmt: skip

"""Gaussians whose covariance is a diagonal plus a few directions."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Key

from flame_jax.model import Array

HALF_90 = 1.645
"""Half of a normal distribution's central 90 % interval, in standard deviations."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LowRankGaussian:
    """N(mean, factor factorᵀ + diag(sd²)). A pytree."""

    mean: Float[Array, "*batch size"]
    factor: Float[Array, "*batch size rank"]
    log_sd: Float[Array, "*batch size"]
    """Logarithm of the standard deviations beside the factor."""

    def log_density(self, value: Float[Array, " size"]) -> Float[jax.Array, ""]:
        """Logarithm of the density, by the matrix determinant lemma and Woodbury's identity: nothing larger than rank ×
        rank is inverted."""
        scaled = jnp.asarray(self.factor) * jnp.exp(-self.log_sd)[:, None]
        off = jnp.asarray(value - self.mean) * jnp.exp(-self.log_sd)
        inner = jnp.eye(scaled.shape[1], dtype=scaled.dtype) + scaled.T @ scaled
        root = jnp.linalg.cholesky(inner)
        along = jax.scipy.linalg.solve_triangular(root, scaled.T @ off, lower=True)
        squared = jnp.sum(off**2) - jnp.sum(along**2)
        determinant = 2.0 * jnp.sum(self.log_sd) + 2.0 * jnp.sum(jnp.log(jnp.diagonal(root)))
        return -0.5 * (squared + determinant + len(off) * jnp.log(2.0 * jnp.pi))

    def sample(self, key: Key[jax.Array, ""]) -> Float[jax.Array, " size"]:
        """A draw."""
        along, beside = jax.random.split(key)
        beside_noise = jax.random.normal(beside, self.mean.shape, self.mean.dtype)
        return (
            jnp.asarray(self.mean)
            + self.factor @ jax.random.normal(along, (self.factor.shape[1],), self.mean.dtype)
            + jnp.exp(self.log_sd) * beside_noise
        )

    def variance_of(self, rows: Float[Array, "rows size"]) -> Float[jax.Array, " rows"]:
        """Variance of linear functions of the value."""
        return jnp.sum((jnp.asarray(rows) @ self.factor) ** 2, axis=1) + (rows**2) @ jnp.exp(2.0 * self.log_sd)

    def tempered(self, temperature: float) -> LowRankGaussian:
        """With all standard deviations multiplied by a temperature."""
        return LowRankGaussian(self.mean, temperature * self.factor, self.log_sd + jnp.log(temperature))

"""Residuals with their derivatives, in the few forms in which points of a head enter them.

All are in standard deviations, and `linearised` gives a vector of residuals and its derivatives (residuals, free).
"""

from __future__ import annotations

import dataclasses
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from flame_jax.linearised import Linearised


@runtime_checkable
class Rows(Protocol):
    """Some residuals."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """The residuals and their derivatives by the free parameters."""
        ...


@dataclasses.dataclass(frozen=True)
class VertexRows:
    """One residual for each vertex, that depends on this vertex alone."""

    values: Float[jax.Array, " vertices"]
    """The residuals."""
    directions: Float[jax.Array, "vertices 3"]
    """Gradient of each residual by its vertex; zero where a vertex takes no part."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """The residuals and their derivatives by the free parameters."""
        return self.values, head.along(self.directions.T).T


@dataclasses.dataclass(frozen=True)
class PointRows:
    """One residual for each of a few surface points, given by the vertices around them; along any directions."""

    values: Float[jax.Array, " points"]
    """The residuals."""
    corners: Int[jax.Array, "points corners"]
    """Vertices around each point."""
    weights: Float[jax.Array, "points corners"]
    """Their share in it."""
    directions: Float[jax.Array, "points 3"]
    """Gradient of each residual by its point."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """The residuals and their derivatives by the free parameters."""
        count = self.corners.shape[1]
        at = head.along_at(self.corners.ravel(), jnp.repeat(self.directions, count, axis=0))
        at = at.reshape(*self.corners.shape, -1) * self.weights[:, :, None]
        return self.values, jnp.sum(at, axis=1)


@dataclasses.dataclass(frozen=True)
class NormalRows:
    """One residual for each of many surface points, along the surface's normal there.

    The derivative of a point along the interpolated normal is taken as the interpolated derivative of the vertices
    along their own normals. These are computed once and then only looked up. The two differ by the product of what
    normal and displacement change across one triangle, which the cost's gradient does not feel:
    `tests/flame_jax/test_scan_residuals.py`.
    """

    values: Float[jax.Array, " points"]
    """The residuals."""
    corners: Int[jax.Array, "points corners"]
    """Vertices around each point."""
    weights: Float[jax.Array, "points corners"]
    """Their share in it, times the derivative of the residual along the normal."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """The residuals and their derivatives by the free parameters."""
        columns = head.along_normals
        parts = [columns[self.corners[:, corner]] * self.weights[:, corner, None] for corner in range(3)]
        return self.values, parts[0] + parts[1] + parts[2]


@dataclasses.dataclass(frozen=True)
class ConstantRows:
    """A part of the cost that no derivative sees, so that costs can be compared."""

    squares: Float[jax.Array, " any"]
    """Squared residuals."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """One residual that stands for all."""
        total = jnp.sqrt(jnp.sum(self.squares))[None]
        return total, jnp.zeros((1, head.layout.size), total.dtype)


@dataclasses.dataclass(frozen=True)
class ParameterRows:
    """Residuals linear in one group of parameters."""

    group: str
    """Which."""
    values: Float[jax.Array, " residuals"]
    """The residuals."""
    jacobian: Float[jax.Array, "residuals width"]
    """Derivatives by the group's parameters."""

    def linearised(self, head: Linearised) -> tuple[jax.Array, jax.Array]:
        """The residuals and their derivatives by the free parameters."""
        full = jnp.zeros((self.values.size, head.layout.size), self.values.dtype)
        if self.group in head.layout.slices:
            full = full.at[:, head.layout.slices[self.group]].set(self.jacobian)
        return self.values, full

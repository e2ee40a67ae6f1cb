"""Smooth displacements of the bone that the skin does not follow: a Gaussian process, mostly alike left and right.

A vector field h with independent components of squared-exponential covariance is split into its mirror-symmetric and
antisymmetric parts, which are then weighted so that the two sides correlate as wanted. It is drawn from the leading
eigenvectors among some hundred nodes (Nyström; Rasmussen & Williams, Gaussian Processes for Machine Learning, MIT Press
2006, ch. 8), so that the field is one matrix product on any device.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from flame_jax.model import Array

_SPACING = 0.55
"""Of the nodes, in lengths of the process."""
_KEPT = 1e-3
"""Eigenvalues below this part of the largest are left out."""
_MIRROR = np.array([-1.0, 1.0, 1.0])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BoneField:
    """A basis of smooth fields at given points, in the head frame (mm)."""

    even: Float[Array, "points evens"]
    """Scalar functions that are alike at mirrored points, for unit variance."""
    odd: Float[Array, "points odds"]
    """Scalar functions that change sign."""
    symmetric: Float[Array, ""]
    """Weight of the mirror-symmetric part; squares add to one with `asymmetric`."""
    asymmetric: Float[Array, ""]
    """Weight of the rest."""

    @property
    def size(self) -> int:
        """How many standard normal numbers make a field."""
        return 3 * (self.even.shape[1] + self.odd.shape[1])

    def displacement(self, noise: Float[Array, " size"]) -> Float[Array, "points 3"]:
        """Field of unit standard deviation per direction from independent standard normal numbers."""
        evens, odds = self.even.shape[1], self.odd.shape[1]
        even, odd = noise[: 3 * evens].reshape(evens, 3), noise[3 * evens :].reshape(odds, 3)
        # Along x the mirror turns the sign, so there the even functions are the antisymmetric part.
        weight = jnp.stack([self.asymmetric, self.symmetric, self.symmetric])[None]
        other = jnp.stack([self.symmetric, self.asymmetric, self.asymmetric])[None]
        return self.even @ (even * weight) + self.odd @ (odd * other)


def bone_field(
    points: Float[np.ndarray, "points 3"],
    domain: Float[np.ndarray, "domain 3"],
    *,
    length_mm: float,
    left_right: float,
) -> BoneField:
    """The basis at `points`, for fields over `domain` (points spread over what they are to cover)."""
    half = np.abs(domain[:, 0:1] * [1.0, 0.0, 0.0]) + domain * [0.0, 1.0, 1.0]
    nodes = _spread(half, _SPACING * length_mm)
    bases = []
    for sign in (1.0, -1.0):
        values, vectors = np.linalg.eigh(_folded(nodes, nodes, length_mm, sign))
        keep = values > _KEPT * values.max()
        basis = _folded(points, nodes, length_mm, sign) @ (vectors[:, keep] / np.sqrt(values[keep]))
        # The symmetric part of unit variance is a half of the process plus its mirror image: near the midline the even
        # functions would vary more than elsewhere. They are evened out; the odd ones have to vanish there.
        lateral = 2.0 * np.abs(points[:, :1])
        alike = np.exp(-0.5 * (lateral / length_mm) ** 2)
        wanted = np.ones_like(alike) if sign > 0 else np.sqrt(1.0 - alike**2)
        bases.append(basis * wanted / np.maximum(np.linalg.norm(basis, axis=1, keepdims=True), 1e-3))
    share = 0.5 * (1.0 + left_right)
    return BoneField(
        even=jnp.asarray(bases[0], dtype=jnp.float32),
        odd=jnp.asarray(bases[1], dtype=jnp.float32),
        symmetric=jnp.asarray(np.sqrt(share), dtype=jnp.float32),
        asymmetric=jnp.asarray(np.sqrt(1.0 - share), dtype=jnp.float32),
    )


def _folded(a: np.ndarray, b: np.ndarray, length: float, sign: float) -> np.ndarray:
    def kernel(p: np.ndarray) -> np.ndarray:
        squared = ((p[:, None] - b[None]) ** 2).sum(-1)
        return np.exp(-0.5 * squared / length**2)

    return kernel(a) + sign * kernel(a * _MIRROR)


def _spread(points: np.ndarray, spacing: float) -> np.ndarray:
    """Points, each farthest from all before it, until none is farther than `spacing` from the nearest."""
    chosen = [0]
    gap = ((points - points[0]) ** 2).sum(axis=1)
    while gap.max() > spacing**2:
        chosen.append(int(np.argmax(gap)))
        gap = np.minimum(gap, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]

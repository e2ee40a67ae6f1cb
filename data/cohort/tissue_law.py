"""How heads vary by their bones, and how by the soft tissue on them.

In life a skull does not tell how deep the tissue on it is: skin = bone + depth, with bone and depth independent. A
cohort starts from heads, whose bone is skin − depth. With depths drawn independently of the head, the skin would be
independent of the depth instead: such skulls vary too much, and a network trained on them learns to shrink. With a bone
that follows the head it stands for, the skull gives the head away.

So the coefficients of the head model, β ~ N(0, 1), are split into two independent parts,

    β = β_bone + β_tissue,      β_tissue ~ N(0, Q),   β_bone ~ N(0, 1 − Q).

The bones follow β_bone alone. With h the row that takes coefficients to a coordinate of the skin over a landmark, the
depth there departs from its mean by h β_tissue, plus a remainder of its own: depth and bone are independent but for
the remainder, and β_tissue cannot be seen in the skull. Q lies between 0 and 1 and is chosen so that h Q hᵀ comes as
near as it can to the depth's variance at all landmarks at once. Where the head model's cheeks vary less than the table
says that depths do, the remainder is large: there bone and depth correlate, which cannot be helped with that head
model.

Fullness of the face is the direction c within β_tissue (c cᵀ ≤ Q) whose depths follow the wanted loadings best.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from flame_jax.model import Array

_LARGEST = 0.97
"""Share of a coefficient's variance that may be tissue: of every direction the bones show a little."""
_EXCESS = 30.0
"""Weight of a variance over the wanted one, against one under it: a remainder can be added, not taken away."""
_BETWEEN = 0.09
"""Weight of a site between landmarks against a landmark: 150 sites weigh as much as 14 landmarks."""
_STEPS = 1500


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TissueLaw:
    """The law of fullness, β_bone, β_tissue and the scores of all deviations."""

    fullness: Float[Array, " identities"]
    """c: β_tissue of one standard deviation of fullness."""
    tissue_root: Float[Array, "identities identities"]
    """Root of β_tissue's covariance when the fullness is known, Q − c cᵀ."""
    bone_root: Float[Array, "identities identities"]
    """Root of 1 − Q."""
    seen: Float[Array, "deviations identities"]
    """Score of each deviation per coefficient of β_tissue."""
    rest_root: Float[Array, "deviations deviations"]
    """Root of the covariance of the remainders' scores."""

    def sample(
        self,
        fullness: Float[Array, ""],
        bone_noise: Float[Array, " identities"],
        tissue_noise: Float[Array, " identities"],
        rest_noise: Float[Array, " deviations"],
    ) -> tuple[Float[Array, " identities"], Float[Array, " identities"], Float[Array, " deviations"]]:
        """β_bone, β_tissue and scores for a fullness, from independent standard normal numbers."""
        tissue = self.fullness * fullness + self.tissue_root @ tissue_noise
        return self.bone_root @ bone_noise, tissue, self.seen @ tissue + self.rest_root @ rest_noise


def tissue_law(
    target: Float[np.ndarray, "deviations identities"],
    sd: Float[np.ndarray, " deviations"],
    loading: Float[np.ndarray, " deviations"],
    rest_correlation: Float[np.ndarray, "deviations deviations"],
    between: tuple[Float[np.ndarray, "sites identities"], Float[np.ndarray, " sites"]],
) -> TissueLaw:
    """The law for given coordinates of the skin.

    Args:
        target: h, mm per coefficient, of each deviation's coordinate.
        sd: Wanted standard deviation of each deviation, mm.
        loading: Wanted correlation of each with fullness.
        rest_correlation: Of the remainders.
        between: Further coordinates of the skin and their standard deviations, which count for Q only:
            `data.cohort.skin_between`.
    """
    seen = target / sd[:, None]
    sites = between[0] / between[1][:, None]
    weight = np.append(np.ones(len(seen)), np.full(len(sites), _BETWEEN))
    tissue = tissue_covariance(np.concatenate([seen, sites]), weight)
    root = _root(tissue)
    fullness = root @ _bounded_least_squares(seen @ root, loading, _LARGEST)
    left = np.sqrt(np.maximum(1.0 - np.einsum("jk,kl,jl->j", seen, tissue, seen), 0.0))
    return TissueLaw(
        fullness=jnp.asarray(fullness, dtype=jnp.float32),
        tissue_root=jnp.asarray(_root(tissue - np.outer(fullness, fullness)), dtype=jnp.float32),
        bone_root=jnp.asarray(_root(np.eye(len(tissue)) - tissue), dtype=jnp.float32),
        seen=jnp.asarray(seen, dtype=jnp.float32),
        rest_root=jnp.asarray(_root(left[:, None] * rest_correlation * left[None]), dtype=jnp.float32),
    )


def tissue_covariance(
    seen: Float[np.ndarray, "deviations identities"], weight: Float[np.ndarray, " deviations"] | None = None
) -> Float[np.ndarray, "identities identities"]:
    """Q: of all matrices between 0 and 1, that for which the rows' variances come nearest to one, rather from below.

    Each row counts by its weight.

    By accelerated projected gradients (Beck & Teboulle, SIAM J. Imaging Sciences 2(1), 2009).
    """
    identities = seen.shape[1]
    weight = np.ones(len(seen)) if weight is None else weight
    steepness = 2.0 * _EXCESS * np.linalg.eigvalsh((seen @ seen.T) ** 2 * np.sqrt(np.outer(weight, weight)))[-1]
    q = 0.3 * np.eye(identities)
    ahead, momentum = q, 1.0
    for _ in range(_STEPS):
        over = np.einsum("jk,kl,jl->j", seen, ahead, seen) - 1.0
        slope = (seen.T * (weight * over * np.where(over > 0.0, _EXCESS, 1.0))) @ seen
        values, vectors = np.linalg.eigh(ahead - 2.0 * slope / steepness)
        moved = (vectors * np.clip(values, 0.0, _LARGEST)) @ vectors.T
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
        ahead = moved + (momentum - 1.0) / following * (moved - q)
        q, momentum = moved, following
    return q


def _bounded_least_squares(
    matrix: Float[np.ndarray, "rows columns"], wanted: Float[np.ndarray, " rows"], longest: float
) -> Float[np.ndarray, " columns"]:
    """x of at most a given length for which |matrix x − wanted| is least: damped just as much as it takes."""
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    seen = u.T @ wanted

    def damped(damping: float) -> np.ndarray:
        return v.T @ (values / (values**2 + damping) * seen)

    low, high = 1e-9, 1e9
    for _ in range(80):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if np.linalg.norm(damped(middle)) > longest else (low, middle)
    return damped(high)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T

"""Fresh skulls for a head that is known: the law of a person, given the coefficients of the head.

`data.cohort.tissue_law` draws what bones and tissue make of a head, and their sum is the head. Here the head comes
first, so that its signed distances can be computed once and a new skull be drawn for it whenever it is looked at.
All laws are Gaussian, so those given the head are too (Rasmussen & Williams, Gaussian Processes for Machine Learning,
2006, eq. A.6):

    β_tissue | β ~ N(Q β, Q − Q²)       fullness | β_tissue ~ N(cᵀ Q⁺ β_tissue, 1 − cᵀ Q⁺ c)
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Key

from data.cohort.anatomy import Anatomy, Person
from flame_jax.model import Array

_LEAST = 1e-5
"""Eigenvalues of Q below this are zero."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LawGivenHead:
    """What turns a head's coefficients and standard normal numbers into a person. A pytree."""

    tissue_share: Float[Array, "identities identities"]
    """Q: of the head's coefficients, what is tissue on average."""
    tissue_root: Float[Array, "identities identities"]
    """Root of Q − Q²."""
    fullness: Float[Array, " identities"]
    """Q⁺ c: fullness per coefficient of β_tissue, on average."""
    fullness_sd: Float[Array, ""]
    """Of the fullness where β_tissue is known."""


def law_given_head(anatomy: Anatomy) -> LawGivenHead:
    """The law for an anatomy. Runs on the host."""
    law = anatomy.law
    direction, root = np.asarray(law.fullness, np.float64), np.asarray(law.tissue_root, np.float64)
    share = root @ root.T + np.outer(direction, direction)
    values, vectors = np.linalg.eigh(share)
    seen = vectors.T @ direction
    per_coefficient = vectors @ np.where(values > _LEAST, seen / np.maximum(values, _LEAST), 0.0)
    spread = np.sqrt(np.maximum(values - values**2, 0.0))
    return LawGivenHead(
        tissue_share=jnp.asarray(share, jnp.float32),
        tissue_root=jnp.asarray((vectors * spread) @ vectors.T, jnp.float32),
        fullness=jnp.asarray(per_coefficient, jnp.float32),
        fullness_sd=jnp.asarray(np.sqrt(np.maximum(1.0 - per_coefficient @ direction, 0.0)), jnp.float32),
    )


def draw_person_of(
    key: Key[jax.Array, ""],
    betas: Float[Array, " identities"],
    opening: Float[Array, ""],
    anatomy: Anatomy,
    given: LawGivenHead,
) -> Person:
    """Draw the rest of a person whose head is known; over heads from N(0, 1) this is `data.cohort.anatomy.draw_person`.

    Args:
        key: A random key.
        betas: Of the head.
        opening: Of the jaw, 0 (shut) to 1.
        anatomy: The generator's.
        given: Of that anatomy.
    """
    keys = jax.random.split(key, 6)
    with jax.default_matmul_precision("highest"):
        tissue = given.tissue_share @ betas + given.tissue_root @ jax.random.normal(keys[0], betas.shape)
        scores = anatomy.law.seen @ tissue + anatomy.law.rest_root @ jax.random.normal(keys[2], anatomy.mean.shape)
        fullness = given.fullness @ tissue + given.fullness_sd * jax.random.normal(keys[1])
    return Person(
        fullness=fullness,
        bone_betas=betas - tissue,
        tissue_betas=tissue,
        scores=scores,
        bone_noise=jax.random.normal(keys[3], (anatomy.bone.size,)),
        between_noise=jax.random.normal(keys[4], (anatomy.bone.size,)),
        slip_noise=jax.random.normal(keys[5], (anatomy.slip.size,)),
        opening=jnp.asarray(opening, jnp.float32),
    )

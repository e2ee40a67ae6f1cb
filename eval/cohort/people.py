"""Many people of a generator, undamaged and with shut mouths, for studies of its anatomy."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.cohort.anatomy import Anatomy, Body, body_of, draw_person
from data.cohort.case import case_key
from data.prior import AnatomyPrior
from fields.mesh import Mesh

_BATCH = 20
"""People in one program: a compromise with memory."""


@dataclasses.dataclass(frozen=True)
class People:
    """People in the head frames of their own skulls, mm."""

    prior: AnatomyPrior
    heads: Float[np.ndarray, "people head_vertices 3"]
    skulls: Float[np.ndarray, "people skull_vertices 3"]
    """Vertices of the prior's skull."""
    deviations: Float[np.ndarray, "people deviations"]
    """Depths as drawn, then residuals of rules."""
    fullness: Float[np.ndarray, " people"]

    def __len__(self) -> int:
        return len(self.heads)

    def head(self, person: int) -> Mesh:
        """A person's head."""
        return Mesh(self.heads[person].astype(np.float64), self.prior.head.faces)

    def skull(self, person: int) -> Mesh:
        """A person's skull: the prior's, moved."""
        return Mesh(self.skulls[person].astype(np.float64), self.prior.skull.faces)

    def landmarks(self, person: int) -> dict[str, Float[np.ndarray, "3"]]:
        """Landmarks of a person's skull."""
        return self.prior.landmark_points(self.skull(person))


def draw_people(
    prior: AnatomyPrior,
    anatomy: Anatomy,
    count: int,
    *,
    seed: int,
    first: int = 0,
    opening: float = 0.0,
    covered: bool = True,
) -> People:
    """Draw people; each is given by the seed and the number alone.

    Args:
        prior: That the anatomy was made of.
        anatomy: Of a generator.
        count: How many people.
        seed: Of the keys.
        first: Number of the first.
        opening: Of all jaws, 0 (shut) to 1; skulls are shown with the jaw shut all the same.
        covered: Whether bone that looks out of the skin is pushed in, see `data.cohort.anatomy.body_of`.
    """
    numbers = range(first, first + -(-count // _BATCH) * _BATCH)
    parts = []
    for start in range(0, len(numbers), _BATCH):
        keys = jnp.stack([case_key(seed, number) for number in numbers[start : start + _BATCH]])
        body, fullness = _people(anatomy, keys, jnp.asarray(opening, jnp.float32), covered=covered)
        skulls = body.skeleton[:, : len(prior.skull.vertices)]
        parts.append([np.asarray(array) for array in (body.head, skulls, body.deviations, fullness)])
    return People(prior, *(np.concatenate(arrays)[:count] for arrays in zip(*parts, strict=True)))


@functools.partial(jax.jit, static_argnames="covered")
def _people(anatomy: Anatomy, keys: jax.Array, opening: jax.Array, *, covered: bool) -> tuple[Body, jax.Array]:
    def one(key: jax.Array) -> tuple[Body, jax.Array]:
        person = draw_person(key, anatomy, fullness_mean=jnp.zeros(()), fullness_sd=jnp.ones(()), opening=opening)
        return body_of(anatomy, person, covered=covered), jnp.asarray(person.fullness)

    return jax.lax.map(one, keys)

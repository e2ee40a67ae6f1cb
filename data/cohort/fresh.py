"""Fresh skulls for cached heads: the batches that the field is trained with, as a pure JAX program."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Key

from data.cohort.anatomy import Anatomy, body_of
from data.cohort.broken import apply_harm
from data.cohort.case import Generator
from data.cohort.given_head import LawGivenHead, draw_person_of
from data.cohort.harm import draw_harm
from data.cohort.head_cache import Heads
from data.cohort.seen import observed
from data.cohort.severities import Severities
from data.cohort.stream import Sample
from flame_jax.model import Array

TABLE_SD, LANDMARK_SD = 0.35, 0.25
"""How far a population's mean depths are from the table's, in standard deviations of a person's: all of them together,
and each landmark for itself. How far is an assumption of ours, without a source; a network that was never told that
tables differ would be too sure of itself."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FreshSkulls:
    """Constants of the program. A pytree."""

    generator: Generator
    given: LawGivenHead
    heads: Heads
    undamaged: Float[Array, ""] | float = 0.25
    """Share of the skulls to which nothing happens; the others have default damage."""


def draw_fresh(
    key: Key[jax.Array, ""], fresh: FreshSkulls, *, skull_points: int, queries: int
) -> tuple[Sample, Float[jax.Array, "queries 3"]]:
    """A head from the cache with a skull drawn for it, `queries` of its signed distances, our aligner's error, and the
    gradients of the distances.

    Traceable by jax, also under `vmap`, though `jax.lax.map` spares what a skull does not need. The counts are static.
    Bone that looks out of the skin is left so: see `data.cohort.anatomy.body_of`.
    """
    keys = jax.random.split(key, 8)
    generator, heads = fresh.generator, fresh.heads
    row = jax.random.randint(keys[0], (), 0, len(heads.betas))
    betas, opening = jnp.asarray(heads.betas)[row], jnp.asarray(heads.opening)[row]
    person = draw_person_of(keys[1], betas, opening, generator.anatomy, fresh.given)
    person = dataclasses.replace(person, scores=person.scores + _table_shift(keys[7], generator.anatomy))
    body = body_of(generator.anatomy, person, covered=False)
    level = jnp.where(jax.random.uniform(keys[2]) < fresh.undamaged, 0.0, 1.0)
    kinds = {field.name: level for field in dataclasses.fields(Severities)}
    severities = Severities(**(kinds | {"pose": jnp.ones(())}))
    harm = draw_harm(keys[3], severities, generator.skeleton, body.skeleton)
    harmed = apply_harm(harm, generator.skeleton, body.skeleton, body.T_open_closed)
    seen = observed(keys[4], harm, harmed, generator.skeleton, generator.samples, skull_points)
    # The cached ones are in random order: any run of them is a fair sample.
    start = jax.random.randint(keys[5], (), 0, heads.queries.shape[1] - queries + 1)
    points = jax.lax.dynamic_slice(jnp.asarray(heads.queries), (row, start, 0), (1, queries, 3))[0]
    distances = jax.lax.dynamic_slice(jnp.asarray(heads.distances), (row, start), (1, queries))[0]
    with jax.default_matmul_precision("highest"):
        aligned = generator.pose_errors.draw(keys[6])
        model = aligned @ body.T_head_model
        gradients = jax.lax.dynamic_slice(jnp.asarray(heads.gradients), (row, start, 0), (1, queries, 3))[0]
        sample = Sample(
            skull_points=seen.points @ aligned[:3, :3].T + aligned[None, :3, 3],
            skull_normals=seen.normals @ aligned[:3, :3].T,
            skull_valid=seen.valid,
            queries=points @ model[:3, :3].T + model[None, :3, 3],
            distances=distances,
            deviations=body.deviations,
            fullness=person.fullness,
            betas=betas,
            T_aligned_model=model,
            opening=opening,
        )
        return sample, gradients.astype(jnp.float32) @ model[:3, :3].T


def _table_shift(key: Key[jax.Array, ""], anatomy: Anatomy) -> Float[jax.Array, " deviations"]:
    """Of a person's scores, for the depth table of the person's population; residuals of rules keep theirs."""
    noise = jax.random.normal(key, (len(anatomy.mean) + 1,))
    return jnp.where(anatomy.mean > 0.0, TABLE_SD * noise[-1] + LANDMARK_SD * noise[:-1], 0.0)

"""The cohort as a pure JAX program: from a key to what a network is trained with, no host in the loop.

So a GPU or a TPU makes its own batches: `jax.jit(jax.vmap(...))` over the keys of a batch.
"""

from __future__ import annotations

import dataclasses

import jax
from jaxtyping import Bool, Float, Key

from data.cohort.broken import apply_harm
from data.cohort.case import Case, Conditions, Generator, draw_case
from data.cohort.queries import QueryPlaces, draw_queries
from data.cohort.seen import observed
from fields.mesh_distance import signed_distance
from flame_jax.model import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stream:
    """Constants of the program. A pytree, made by `data.cohort.generator.make_stream`."""

    generator: Generator
    places: QueryPlaces


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sample:
    """One case as a network meets it; mm, as the aligner has put it: the head frame, but for the aligner's error."""

    skull_points: Float[Array, "*batch points 3"]
    skull_normals: Float[Array, "*batch points 3"]
    """Of unit length, out of the bone."""
    skull_valid: Bool[Array, "*batch points"]
    """False where the skull has no more points."""
    queries: Float[Array, "*batch queries 3"]
    distances: Float[Array, "*batch queries"]
    """From the face's closed head to each query, negative inside."""
    deviations: Float[Array, "*batch deviations"]
    """Depths, then residuals of placement rules, mm: names by `data.cohort.generator.deviation_names`."""
    fullness: Float[Array, "*batch"]
    """Of the face, in standard deviations."""
    betas: Float[Array, "*batch identities"]
    """Coefficients of the generator's head model."""
    T_aligned_model: Float[Array, "*batch 4 4"]
    """Rigid: from where the head model puts the head to where it lies here."""
    opening: Float[Array, "*batch"]
    """Of the jaw, 0 (shut) to 1."""


def draw_sample(
    key: Key[jax.Array, ""], stream: Stream, conditions: Conditions, *, skull_points: int, queries: int
) -> Sample:
    """Draw a case and observe it. Traceable by jax, also under `vmap` over keys; the counts are static."""
    return observe(draw_case(key, stream.generator, conditions), stream, skull_points=skull_points, queries=queries)


def observe(case: Case, stream: Stream, *, skull_points: int, queries: int) -> Sample:
    """Points of a case's skull, and signed distances to its face."""
    scan_key, query_key = jax.random.split(case.scan_key)
    generator, aligned = stream.generator, case.T_aligned_head
    harmed = apply_harm(case.harm, generator.skeleton, case.body.skeleton, case.body.T_open_closed)
    seen = observed(scan_key, case.harm, harmed, generator.skeleton, generator.samples, skull_points)
    points = draw_queries(query_key, stream.places, case.body.head, queries)
    distances = signed_distance(generator.anatomy.head_index, case.body.head, points)
    with jax.default_matmul_precision("highest"):
        return Sample(
            skull_points=seen.points @ aligned[:3, :3].T + aligned[None, :3, 3],
            skull_normals=seen.normals @ aligned[:3, :3].T,
            skull_valid=seen.valid,
            queries=points @ aligned[:3, :3].T + aligned[None, :3, 3],
            distances=distances,
            deviations=case.body.deviations,
            fullness=case.person.fullness,
            betas=case.person.betas,
            T_aligned_model=aligned @ case.body.T_head_model,
            opening=case.person.opening,
        )

"""Batches for a face field, drawn from a key alone: skulls as anchors see them, codes, and signed distances."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Key

from data.cohort.fresh import FreshSkulls, draw_fresh
from data.cohort.stream import Sample
from fields.anchor_pooling import Anchors, pooled
from fields.latent import HeadPose, encoded
from flame_jax.model import Array

BONE_POINTS = 64
"""Of each skull, that are looked at for whether they lie under the skin."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceBatch:
    """Skulls and their faces; mm, as the aligner has put them."""

    features: Float[Array, "*batch anchors windows features"]
    """What the anchors see."""
    codes: Float[Array, "*batch code"]
    """Of the faces, `fields.latent`; NaN where the head is not one of the head model's."""
    fullness: Float[Array, "*batch"]
    """NaN where the network is not told."""
    queries: Float[Array, "*batch queries 3"]
    distances: Float[Array, "*batch queries"]
    gradients: Float[Array, "*batch queries 3"]
    """Of the distances; NaN where unknown."""
    bone: Float[Array, "*batch bone 3"]
    bone_valid: Bool[Array, "*batch bone"]


def draw_faces(
    key: Key[jax.Array, ""],
    fresh: FreshSkulls,
    anchors: Anchors,
    size: int,
    *,
    skull_points: int,
    queries: int,
    fullness_known: Float[Array, ""] | float,
) -> FaceBatch:
    """A batch of `size` fresh skulls."""

    def one(key: Key[jax.Array, ""]) -> FaceBatch:
        of_sample, of_fullness = jax.random.split(key)
        sample, gradients = draw_fresh(of_sample, fresh, skull_points=skull_points, queries=queries)
        told = jax.random.uniform(of_fullness) < fullness_known
        return face_of(sample, gradients, anchors, jnp.where(told, sample.fullness, jnp.nan))

    # One after the other: what one skull needs stays in a core's cache, and it is spared what its harm does not need.
    return jax.lax.map(one, jax.random.split(key, size))


def face_of(sample: Sample, gradients: Array, anchors: Anchors, fullness: Array) -> FaceBatch:
    """A sample as the network meets it."""
    pose = HeadPose(sample.betas, sample.opening, sample.T_aligned_model)
    return FaceBatch(
        features=pooled(anchors, sample.skull_points, sample.skull_normals, sample.skull_valid),
        codes=encoded(pose),
        fullness=fullness,
        queries=sample.queries,
        distances=sample.distances,
        gradients=gradients,
        bone=sample.skull_points[:BONE_POINTS],
        bone_valid=sample.skull_valid[:BONE_POINTS],
    )

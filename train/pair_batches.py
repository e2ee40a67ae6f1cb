"""Batches of real skull–face pairs, drawn from a key alone: distances are known, and nothing of the head model."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Key

from data.cohort.pose_errors import PoseErrors
from fields.anchor_pooling import Anchors, pooled
from fields.latent import POSE
from flame_jax.model import Array
from train.face_batches import BONE_POINTS, FaceBatch


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PairPools:
    """Pairs as our aligner put them; head frame, mm, float32. A pytree, on the device whole: 24 bytes for each skull
    point and 16 for each query, 1.8 MB for a pair of the usual size."""

    skull_points: Float[Array, "*batch points 3"]
    skull_normals: Float[Array, "*batch points 3"]
    queries: Float[Array, "*batch queries 3"]
    distances: Float[Array, "*batch queries"]
    fullness: Float[Array, "*batch"]
    """NaN where unknown."""

    def __len__(self) -> int:
        return len(self.fullness)


def draw_pairs(
    key: Key[jax.Array, ""],
    pools: PairPools,
    errors: PoseErrors,
    anchors: Anchors,
    coefficients: int,
    size: int,
    *,
    skull_points: int,
    queries: int,
    fullness_known: float,
) -> FaceBatch:
    """A batch of `size` pairs, each drawn by chance, with other points each time, moved by one of the aligner's errors.

    Codes are NaN, `coefficients` as many as the head model has, and so are the distances' gradients.
    """

    def one(key: Key[jax.Array, ""]) -> FaceBatch:
        keys = jax.random.split(key, 5)
        row = jax.random.randint(keys[0], (), 0, len(pools))
        at = jax.random.randint(keys[1], (skull_points,), 0, pools.skull_points.shape[1])
        asked = jax.random.randint(keys[2], (queries,), 0, pools.queries.shape[1])
        told = jax.random.uniform(keys[4]) < fullness_known
        with jax.default_matmul_precision("highest"):
            moved = errors.draw(keys[3])
            turn, shift = moved[:3, :3], moved[None, :3, 3]
            points = jnp.asarray(pools.skull_points)[row, at] @ turn.T + shift
            normals = jnp.asarray(pools.skull_normals)[row, at] @ turn.T
            # The truth moves along: it is the face of this skull, wherever that lies.
            places = jnp.asarray(pools.queries)[row, asked] @ turn.T + shift
        return pair_of(
            anchors,
            coefficients,
            points,
            normals,
            places,
            jnp.asarray(pools.distances)[row, asked],
            jnp.where(told, jnp.asarray(pools.fullness)[row], jnp.nan),
        )

    return jax.lax.map(one, jax.random.split(key, size))


def pair_of(
    anchors: Anchors,
    coefficients: int,
    points: Float[Array, "points 3"],
    normals: Float[Array, "points 3"],
    queries: Float[Array, "queries 3"],
    distances: Float[Array, " queries"],
    fullness: Float[Array, ""],
) -> FaceBatch:
    """One pair as the network meets it."""
    valid = jnp.ones(len(points), bool)
    return FaceBatch(
        features=pooled(anchors, points, normals, valid),
        codes=jnp.full(coefficients + POSE, jnp.nan),
        fullness=jnp.asarray(fullness),
        queries=queries,
        distances=distances,
        gradients=jnp.full_like(jnp.asarray(queries), jnp.nan),
        bone=points[:BONE_POINTS],
        bone_valid=valid[:BONE_POINTS],
    )

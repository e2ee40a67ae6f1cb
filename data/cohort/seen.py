"""What a scan shows of a harmed skull, as points with normals: the form that an accelerator makes for itself."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Key

from data.cohort.broken import Harmed
from data.cohort.harm import Harm
from data.cohort.skeleton import Skeleton
from data.cohort.visibility import seen_from_outside
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.model import Array

SAMPLES = 65_536
"""Surface points to choose from: 2 mm apart on the prior's skull and its inner walls."""
_OCCLUDERS = 32_768
"""How many of them hide what lies behind."""
_ROUNDS = 2
_LENIENCE_MM = 0.5
"""What is seen is smoothed, since the pixels of `data.cohort.visibility` leave specks in orbits and at edges. Smoothing
alone takes away more than it gives; with this the two are even."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Samples:
    """Places on a skeleton's triangles, evenly by area, in random order."""

    face_ids: Int[Array, " samples"]
    barycentric: Float[Array, "samples 3"]
    """Weights of the triangle's corners."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Seen:
    """Points of a scan."""

    points: Float[Array, "*batch points 3"]
    """Head frame, mm."""
    normals: Float[Array, "*batch points 3"]
    """Unit normals of the triangles that the points lie on."""
    valid: Bool[Array, "*batch points"]
    """False for the last ones where there are fewer."""


def make_samples(skeleton: Skeleton) -> Samples:
    """SAMPLES places on the skeleton, always the same. Runs on the host."""
    mesh = Mesh(np.asarray(skeleton.rest, np.float64), np.asarray(skeleton.faces))
    surface = sample_surface(mesh, SAMPLES, seed=0)
    # The first ones stand for the whole surface.
    order = np.random.default_rng(0).permutation(SAMPLES)
    return Samples(surface.face_ids[order].astype(np.int32), surface.barycentric[order].astype(np.float32))


def in_scan_and_seen(harm: Harm, harmed: Harmed, skeleton: Skeleton, samples: Samples) -> Float[jax.Array, " vertices"]:
    """`harmed.in_scan`, or for a laser scan how clearly a vertex is seen where that is less: linear along edges too.

    It holds for the surface; the faces of cuts are taken as seen.
    """

    def from_outside() -> jax.Array:
        corners = jnp.asarray(skeleton.faces)[samples.face_ids[:_OCCLUDERS]]
        weights = samples.barycentric[:_OCCLUDERS]
        occluders = _between(harmed.vertices, corners, weights)
        left = jnp.minimum(_between(harmed.in_bone, corners, weights), _between(harmed.in_scan, corners, weights)) > 0
        opaque = left & harmed.face_kept[samples.face_ids[:_OCCLUDERS]]
        seen = seen_from_outside(harmed.vertices, harmed.normals, occluders, opaque)
        return jnp.minimum(harmed.in_scan, _smoothed(seen, skeleton) + _LENIENCE_MM)

    # A CT is spared the views, but for under vmap.
    return jax.lax.cond(harm.outside_only, from_outside, lambda: jnp.asarray(harmed.in_scan))


def observed(
    key: Key[jax.Array, ""], harm: Harm, harmed: Harmed, skeleton: Skeleton, samples: Samples, count: int
) -> Seen:
    """`count` points, chosen at random among the samples that are left and seen. Traceable by jax; `count` is static.

    They lie on the mesh that `data.cohort.broken_mesh` cuts.
    """
    corners = jnp.asarray(skeleton.faces)[samples.face_ids]
    values = jnp.stack(
        [
            harmed.in_bone,
            in_scan_and_seen(harm, harmed, skeleton, samples),
            harmed.in_bone + harmed.fold_depth,
            harmed.in_scan,
            *harmed.in_crack.reshape(len(harmed.vertices), -1).T,
        ],
        axis=1,
    )
    values = _between(values, corners, samples.barycentric)
    surface = (values[:, 0] > 0) & (values[:, 1] > 0)
    cut_face = (values[:, 0] <= 0) & (values[:, 2] > 0) & (values[:, 3] > 0)
    in_crack = jnp.any((values[:, 4::2] > 0) & (values[:, 5::2] > 0), axis=1)
    left = (surface | cut_face) & ~in_crack & harmed.face_kept[samples.face_ids]
    rank = jax.random.uniform(key, (len(left),)) + left
    highest, chosen = jax.lax.top_k(rank, count)
    places = jnp.where(
        cut_face[chosen][:, None, None], harmed.folded[corners[chosen]], harmed.vertices[corners[chosen]]
    )
    across = jnp.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0])
    normals = across / jnp.maximum(jnp.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    points = jnp.sum(places * samples.barycentric[chosen][:, :, None], axis=1)
    return Seen(points, normals, highest >= 1.0)


def _smoothed(values: jax.Array, skeleton: Skeleton) -> jax.Array:
    """Values of vertices, averaged over the triangles about them and over those about these."""
    corners = jnp.asarray(skeleton.faces).T
    # What does not change with the values keeps their place beside them, so that both are scattered at once.
    for _ in range(_ROUNDS):
        pairs = jnp.stack([values, jnp.ones_like(values)], axis=1)
        means = sum(pairs[corner] for corner in corners) / 3.0
        total = jnp.zeros_like(pairs)
        for corner in corners:
            total = total.at[corner].add(means)
        values = total[:, 0] / jnp.maximum(total[:, 1], 1.0)
    return values


def _between(values: Array, corners: Array, weights: Array) -> jax.Array:
    """Values of vertices, at places on triangles."""
    values, weights = jnp.asarray(values), weights.reshape(*weights.shape, *[1] * (values.ndim - 1))
    first, second, third = (values[corners[:, corner]] * weights[:, corner] for corner in range(3))
    return first + second + third

"""What a face field is trained to do: terms for one skull, each a few lines. mm, head frame."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from fields.face_field import FaceField, PlacedHead
from fields.face_prior import FacePrior
from fields.latent import OPENING_SCALE, SHIFT_SCALE_MM, TURN_SCALE
from fields.skull_encoder import SkullCode
from flame_jax.model import Array

_NEAR_MM = 4.0
"""Signed distances count half from here on: the surface is what is wanted."""
_NORMALS_WITHIN_MM = 3.0
_LEAST_SKIN_MM = 1.0
_BONE_CAP_MM = 4.0
"""What sticks out farther is no bone of the face: vertebrae, tubes."""


def code_rows(
    mean: Float[Array, "vertices 3"],
    modes: Float[Array, "vertices 3 coefficients"],
    open_mouth: Float[Array, "vertices 3"],
    chosen: Int[Array, " rows"],
    normals: Float[Array, "rows 3"],
) -> Float[jax.Array, "rows code"]:
    """How some vertices of the mean head move along their normals per unit of the code, mm: linear but for large turns.

    Args:
        mean: The head model, as in `fields.face_prior.FacePrior`: vertices of the mean head, …
        modes: … the modes …
        open_mouth: … and what an opening of 1 does.
        chosen: Indices of the vertices that are asked about.
        normals: Unit normals there.
    """
    places, normals = jnp.asarray(mean)[chosen], jnp.asarray(normals)
    along = jnp.einsum("vdk,vd->vk", jnp.asarray(modes)[chosen], normals)
    opening = OPENING_SCALE * jnp.sum(jnp.asarray(open_mouth)[chosen] * normals, axis=1, keepdims=True)
    return jnp.concatenate([along, opening, TURN_SCALE * jnp.cross(places, normals), SHIFT_SCALE_MM * normals], axis=1)


def distance_loss(found: Float[Array, " queries"], true: Float[Array, " queries"]) -> Float[jax.Array, ""]:
    """Weighted mean of |f − d|. Nothing is clamped: a clamped prediction has no gradient far off."""
    weights = 1.0 / (1.0 + jnp.abs(true) / _NEAR_MM)
    return jnp.sum(weights * jnp.abs(found - true)) / jnp.sum(weights)


def slope_losses(
    gradients: Float[Array, "queries 3"], true: Float[Array, "queries 3"], distances: Float[Array, " queries"]
) -> tuple[Float[jax.Array, ""], Float[jax.Array, ""]]:
    """Eikonal term (|∇f| = 1; Gropp et al., "Implicit geometric regularization", ICML 2020), and 1 − cos between ∇f and
    the true normal near the surface, where that is known: NaN where it is not."""
    lengths = jnp.sqrt(jnp.sum(gradients**2, axis=1) + 1e-12)
    known = jnp.all(jnp.isfinite(true), axis=1)
    near = known & (jnp.abs(distances) < _NORMALS_WITHIN_MM)
    cosines = jnp.sum(gradients * jnp.where(known[:, None], true, 0.0), axis=1) / lengths
    return jnp.mean((lengths - 1.0) ** 2), jnp.sum(near * (1.0 - cosines)) / jnp.maximum(jnp.sum(near), 1)


def bone_loss(distances: Float[Array, " points"], valid: Bool[Array, " points"]) -> Float[jax.Array, ""]:
    """Mean distance of bone outside of the skin, or less than `_LEAST_SKIN_MM` inside, cut off where it is no bone."""
    outside = jnp.clip(distances + _LEAST_SKIN_MM, 0.0, _BONE_CAP_MM)
    return jnp.sum(valid * outside) / jnp.maximum(jnp.sum(valid), 1)


def residual_losses(
    model: FaceField,
    prior: FacePrior,
    code: SkullCode,
    head: PlacedHead,
    points: Float[Array, "points 3"],
    directions: Float[Array, "points 3"],
) -> tuple[Float[jax.Array, ""], Float[jax.Array, ""]]:
    """Mean square of the residual's slope along random unit directions, and of the residual."""
    if model.residual is None:
        return jnp.zeros(()), jnp.zeros(())
    residual = model.residual

    def at(places: jax.Array) -> jax.Array:
        moved, more = residual(code, prior.anchors.points, places)
        return jnp.concatenate([moved, more[:, None]], axis=1)

    places = jax.lax.stop_gradient(model.places(prior, head, points))
    value, slope = jax.jvp(at, (places,), (directions,))
    return jnp.mean(jnp.sum(slope**2, axis=1)), jnp.mean(jnp.sum(value**2, axis=1))

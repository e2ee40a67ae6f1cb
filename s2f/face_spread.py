"""How sure each part of a face is: the standard deviation of its surface along its normal, from the posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from eval.regions import face_mask, sub_region_masks
from fields.distance import DistanceScene
from fields.face_prior import FacePrior
from fields.latent import POSE, decoded
from fields.low_rank_gaussian import HALF_90, LowRankGaussian
from fields.mesh import Mesh
from flame_jax.errors import InputError

_LEAST_OPENING = 1e-3
"""A jaw that is shut can still open: its spread is taken just beyond shut, where it has one."""


def spread_of_head(
    prior: FacePrior,
    posterior: LowRankGaussian,
    latent: Float[np.ndarray, " code"],
    normals: Float[np.ndarray, "vertices 3"],
) -> Float[np.ndarray, " vertices"]:
    """Standard deviation of each vertex of the prior's head along its normal, mm.

    The head is linear in all of the code but the turn, so this is exact but for large turns. What the residual field
    adds to the head is taken as sure.

    Args:
        prior: Of the field.
        posterior: Of the code.
        latent: Where the head is.
        normals: Unit, at the vertices, in the skull's head frame.
    """
    return np.sqrt(np.asarray(_variance(prior, posterior, latent, normals.astype(np.float32)), np.float64))


@jax.jit
def _variance(prior: FacePrior, posterior: LowRankGaussian, latent: jax.Array, normals: jax.Array) -> jax.Array:
    latent = latent.at[-POSE].max(_LEAST_OPENING)
    moves = jax.jacfwd(lambda code: prior.head(decoded(code)))(latent)
    return posterior.variance_of(jnp.einsum("vdk,vd->vk", moves, normals))


def carried(values: Float[np.ndarray, " vertices"], head: Mesh, mesh: Mesh) -> Float[np.ndarray, " others"]:
    """Values at a head's vertices, at the vertices of another mesh of the same face: those of the closest points."""
    near = DistanceScene(head).closest(mesh.vertices)
    return np.einsum("pc,pc->p", near.barycentric, values[head.faces[near.face_ids]])


def spread_by_region(
    mesh: Mesh, sd_mm: Float[np.ndarray, " vertices"], landmarks: Mapping[str, Float[np.ndarray, "3"]]
) -> dict[str, dict[str, float]]:
    """Area-weighted mean of the standard deviation, and half of the 90 % interval, mm, of the face and of its parts.

    Empty where the landmarks (head frame, mm) do not tell the regions.
    """
    areas = np.bincount(mesh.faces.ravel(), np.repeat(mesh.face_areas(), 3), len(mesh.vertices))
    try:
        face = face_mask(mesh.vertices, mesh.vertex_normals(), landmarks)
        parts = sub_region_masks(mesh.vertices, landmarks)
    except InputError:
        return {}
    masks = {"face": face} | {name: face & part for name, part in parts.items()}
    found = {}
    for name, mask in masks.items():
        if areas[mask].sum() > 0.0:
            mean = float(np.average(sd_mm[mask], weights=areas[mask]))
            found[name] = {"sd_mm": round(mean, 2), "half_90_mm": round(HALF_90 * mean, 2)}
    return found


def spread_file(of: str, sd_mm: Float[np.ndarray, " vertices"]) -> dict[str, Any]:
    """What is written beside a face: the standard deviation at each vertex, in the order of the mesh's vertices."""
    return {
        "what": "standard deviation of the face along its normal, mm, at each vertex in their order",
        "of": of,
        "sd_mm": np.round(sd_mm, 2).tolist(),
    }

"""A head model laid into the head frame, with its skin points over the anatomy prior's controls."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool

from data.prior import AnatomyPrior
from data.registration import Oriented, refine_rigid, register, robust_cost
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh, transform_points
from flame_jax import HeadModel
from flame_jax.errors import InputError

_NO_HEAD_COST = 0.5
"""Robust cost of the registration to the prior's head above which a model is no head. FLAME 2023 Open has 0.23."""

_ON_SKIN_MM = 3.0
"""Triangles this close to the prior's mean head are outer skin: 75 % of FLAME's."""


@dataclasses.dataclass(frozen=True)
class FittableHead:
    """A head model in the head frame (mm) and where its skin lies over each control of the prior."""

    model: HeadModel
    """The whole model, for the result."""
    skin: HeadModel
    """The same vertices with the outer skin's triangles only: rays must not meet eyeballs or an inner mouth."""
    ties: SurfacePoints
    """On the skin's triangles."""

    @classmethod
    def of_prior(cls, prior: AnatomyPrior) -> FittableHead:
        """The prior's own head."""
        return cls(prior.head, prior.head, SurfacePoints.of(prior.head_mesh(), prior.tie_faces, prior.tie_weights))

    @classmethod
    def of_model(cls, model: HeadModel, prior: AnatomyPrior, *, source: str) -> FittableHead:
        """Any FLAME-format model: its mean is registered rigidly to the prior's mean head. Only its identity is used.

        Raises `InputError` when the mean does not look like a head.
        """
        model = model.in_millimetres()
        mean = Mesh(model.v_template.astype(np.float64), model.faces)
        of_model, of_prior = Oriented.exposed(mean, 8000), Oriented.exposed(prior.head_mesh(), 8000)
        if len(of_model.points) < 1000:
            raise InputError(f"{source}: its mean has no outer surface; is it a head model?")
        start = register(of_model, of_prior).T_target_template
        start[:3, :3] /= np.cbrt(np.linalg.det(start[:3, :3]))
        transform = refine_rigid(of_model, of_prior, start)
        if robust_cost(of_model, of_prior, transform, 6.0) > _NO_HEAD_COST:
            raise InputError(f"{source}: its mean does not look like a head; give a FLAME-format head model")
        rotation = transform[:3, :3]
        placed = HeadModel(
            v_template=transform_points(transform, model.v_template).astype(np.float32),
            shapedirs=np.einsum("ij,vjk->vik", rotation, model.shapedirs).astype(np.float32),
            faces=model.faces,
            metres_per_unit=1e-3,
            uv=model.uv,
            uv_faces=model.uv_faces,
            name=model.name,
            credit=model.credit,
        )
        skin = SurfacePoints.of(prior.head_mesh(), prior.tie_faces, prior.tie_weights).points
        on_skin = outer_skin(Mesh(placed.v_template.astype(np.float64), placed.faces), prior.head_mesh())
        outer = dataclasses.replace(placed, faces=placed.faces[on_skin], uv=None, uv_faces=None)
        return cls(placed, outer, DistanceScene(Mesh(outer.v_template.astype(np.float64), outer.faces)).closest(skin))


def outer_skin(mesh: Mesh, head: Mesh) -> Bool[np.ndarray, " faces"]:
    """Triangles of a head model that lie on the prior's mean head, which is closed, and face the same way."""
    centroids = mesh.vertices[mesh.faces].mean(axis=1)
    near = DistanceScene(head).closest(centroids)
    facing = np.einsum("fd,fd->f", head.face_normals()[near.face_ids], mesh.face_normals())
    return (np.linalg.norm(near.points - centroids, axis=1) < _ON_SKIN_MM) & (facing > 0.5)

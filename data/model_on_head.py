"""A head model laid on the anatomy prior's mean head, so that what the model knows can be carried over.

Placed rigidly, then given the identity that fits (`flame_jax.fit`), then bent smoothly onto the surface by
what is left.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from data.fittable_head import FittableHead, outer_skin
from data.head_parts import head_parts
from data.prior import AnatomyPrior
from data.warp import similarity, thin_plate_matrix
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.fitting import Stage, fit
from flame_jax.flame import Flame
from flame_jax.model import HeadModel
from flame_jax.parameters import Parameters
from flame_jax.residuals import Prior, Term
from flame_jax.scan import Scan
from flame_jax.scan_residuals import ScanToHead

_SCAN_POINTS = 10_000
_SHARE = 0.2
"""How much each point counts, since neighbours err together; as in `s2f fit-flame`."""
_BEND_CONTROLS = 400
_BEND_SMOOTHNESS_MM = 2.0
_BEND_ROUNDS = 2
_MATCHED_MM = 8.0
_FACING = 0.6


@dataclasses.dataclass(frozen=True)
class ModelOnHead:
    """A head model on the prior's mean head."""

    mesh: Mesh
    """Its outer skin, head frame, mm, with the model's numbers of vertices; those without triangles are anywhere."""
    T_head_model: Float[np.ndarray, "4 4"]
    """Similarity closest to how the outer skin was laid: model's axes, mm, to head frame."""


def lay_model(model: HeadModel, prior: AnatomyPrior, *, source: str) -> ModelOnHead:
    """Lay any head model, in any unit, on the prior's mean head.

    Raises:
        InputError: The model's mean does not look like a head.
    """
    model = model.in_millimetres()
    placed = FittableHead.of_model(model, prior, source=source)
    head = prior.head_mesh()
    mean = Mesh(model.v_template.astype(np.float64), model.faces)
    skin = head_parts(mean).skin
    skin_ids = np.unique(skin)
    flame = Flame.of(placed.model, vertex_ids=skin_ids)
    scan = Scan.of(head.vertices, faces=head.faces, count=_SCAN_POINTS, source="the prior's head")
    terms: list[Term] = [
        ScanToHead.of(flame, scan, sd=1.0, share=np.full(_SCAN_POINTS, _SHARE, np.float32)),
        Prior.of("betas", 1.0, width=flame.shapedirs.shape[0]),
    ]
    free = ("betas", "global_orient", "transl", "log_scale")
    found = fit(flame, terms, Parameters.neutral(flame), (Stage(free, loosening=2.0), Stage(free)))
    vertices = np.zeros_like(mean.vertices)
    vertices[skin_ids] = found.parameters.posed(flame).vertices
    faces = skin[outer_skin(Mesh(vertices, skin), head)]
    vertices, outer_ids = _bent(vertices, faces, head), np.unique(faces)
    laid = similarity(mean.vertices[outer_ids], vertices[outer_ids])
    return ModelOnHead(Mesh(vertices, faces), laid)


def _bent(vertices: np.ndarray, outer_faces: np.ndarray, head: Mesh) -> np.ndarray:
    """The vertices, after a smooth warp of the outer ones onto the head."""
    scene, normals = DistanceScene(head), head.face_normals()
    outer_ids = np.unique(outer_faces)
    vertices = vertices.copy()
    spread = outer_ids[farthest_first(vertices[outer_ids], _BEND_CONTROLS)]
    for _ in range(_BEND_ROUNDS):
        here = Mesh(vertices, outer_faces).vertex_normals()[spread]
        near = scene.closest(vertices[spread])
        step = near.points - vertices[spread]
        matched = (np.einsum("pd,pd->p", here, normals[near.face_ids]) > _FACING) & (
            np.linalg.norm(step, axis=1) < _MATCHED_MM
        )
        # Along the normal only: the nearest point says nothing of how far the skin is shifted in itself.
        step = np.einsum("pd,pd->p", step, here)[:, None] * here
        matrix = thin_plate_matrix(vertices[spread][matched], vertices[outer_ids], _BEND_SMOOTHNESS_MM)
        vertices[outer_ids] += matrix @ step[matched]
    return vertices


def farthest_first(points: Float[np.ndarray, "points 3"], count: int) -> np.ndarray:
    """Indices of `count` points, each the farthest from all before it, so that they are spread evenly."""
    chosen = [int(np.argmax(points[:, 2]))]
    gap = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        gap = np.minimum(gap, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(gap)))
    return np.array(chosen)

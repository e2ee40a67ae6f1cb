"""The classic method: landmarks plus table depths give points of the skin; a head model is fitted to them under its
own prior.

Gerasimov's and later the American method's idea, in the statistical form of Claes et al., Forensic Sci. Int. 159(S1),
2006: depths are measured along rays from the bone, so at every round the ray's hit on the current face replaces a fixed
correspondence. Between the landmarks, and at nose and mouth, which have no bone under them, the head model decides.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from data.align import Alignment
from data.fittable_head import FittableHead
from data.landmarks import abbreviation_of
from data.prior import AnatomyPrior
from data.skull_in_head import EXTRA_DEPTHS_MM, HAIR_CAP_MM, PARTNER, SCALP
from data.tissue_depth import TissueDepths
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax import HeadModel, IdentityBasis, Outcome, axis_angle_to_matrix, levenberg_marquardt, surface_basis
from flame_jax.errors import InputError

_MOST_ROUNDS, _STILL_SD = 30, 0.02
"""Rounds of casting rays and solving; fewer once no parameter moves by more than `_STILL_SD` standard deviations."""
_DEPTH_SD_MM = 1.5
"""How far a depth may miss its target at one standard deviation. The person's own depths differ from the table's by
more (κ·sd is 1 to 5 mm), but independent misses average out over the face, and the reader can check the depths."""
_GUESSED_SD_MM = 3.0
"""The same where the depth is our guess (forehead; scalp, which head models cover with a hair cap)."""
_PARTNER_SD_MM = 4.0
"""How far along the skin the soft-tissue partner of a midline landmark may lie from the ray."""
_ALONG_SD_MM = 8.0
"""The same for all other landmarks: they keep the face's parts over their bones, no more."""
_TURN_SD_RAD, _MOVE_SD_MM = 0.06, 4.0
"""How far a head may sit turned and moved in the skull's frame."""
_COVER_MM, _COVER_SD_MM, _COVER_POINTS = 2.0, 0.5, 400
"""Skin over all bone, how firmly, and at how many of the barest points."""
_FOREHEAD = ("ft", "fe")


@dataclasses.dataclass(frozen=True)
class FittedHead:
    """A head model fitted to a skull."""

    mesh: Mesh
    """In the head frame, mm."""
    betas: Float[np.ndarray, " identities"]
    """Identity coefficients, in standard deviations."""
    betas_sd: Float[np.ndarray, " identities"]
    """Standard deviation of each coefficient given these targets: the fit's own covariance, the prior included."""
    turn: Float[np.ndarray, "3"]
    """Axis-angle about the origin between the poria, radians."""
    move: Float[np.ndarray, "3"]
    """Translation after the turn, mm."""
    depth_targets_mm: dict[str, float]
    """At the landmarks that were used."""
    depths_mm: dict[str, float]
    """Measured on the result by casting a ray from the bone; absent where the ray meets no skin."""
    least_cover_mm: float
    """Least skin over the exposed bone in front of the poria."""
    outcome: str
    """How the last solve ended."""


def fit_head(head: FittableHead, alignment: Alignment, prior: AnatomyPrior, fullness: float = 0.0) -> FittedHead:
    """Fit a head model to the soft-tissue targets of an aligned skull.

    Args:
        head: Model to fit.
        alignment: Skull in the head frame with its landmarks.
        prior: For the depth table and the control's order.
        fullness: Shifts all depths by standard deviations, with regional loadings.

    Raises:
        InputError: Fewer than six landmarks with a depth were found, or the solver failed.
    """
    used, targets = _targets(alignment, prior.tissue, fullness)
    if len(targets) < 6:
        raise InputError(f"only {len(targets)} landmarks with a known depth found on the skull; at least 6 are needed")
    names = list(used)
    rows = [prior.control_names.index(name) for name in names]
    bone = np.stack([used[name] for name in names])
    directions = np.stack([alignment.directions[name] for name in names])
    depths = np.array([_depth_of(name, prior.tissue, fullness) for name in names])
    guessed = np.array([name not in targets for name in names])
    partner_sd = np.array([_PARTNER_SD_MM if name in PARTNER else _ALONG_SD_MM for name in names])
    ties = surface_basis(head.skin, head.ties.face_ids[rows], head.ties.barycentric[rows])
    identities = head.model.shapedirs.shape[2]
    x = np.zeros(identities + 6, dtype=np.float32)
    solution = None
    for _ in range(_MOST_ROUNDS):
        mesh = posed_mesh(head.skin, x)
        scene = DistanceScene(mesh)
        hits = scene.cast(bone, directions)
        # A ray that leaves through nothing, or enters far away (an ear, the far side), keeps its tie.
        trusted = hits.hit & (hits.distance < depths + 25.0)
        face_ids = np.where(trusted, hits.face_ids, head.ties.face_ids[rows])
        barycentric = np.where(trusted[:, None], hits.barycentric, head.ties.barycentric[rows])
        normals = _smooth_normals(mesh, face_ids, barycentric)
        bare = _barest(scene, mesh, alignment.bone_points, alignment.bone_normals)
        arguments: dict[str, Any] = {
            "hits": surface_basis(head.skin, face_ids, barycentric),
            "hit_normals": normals,
            "goals": bone + depths[:, None] * directions,
            "depth_sd": np.where(guessed, _GUESSED_SD_MM, _DEPTH_SD_MM) * np.ones(len(names)),
            "ties": ties,
            "along_sd": partner_sd,
            "cover": surface_basis(head.skin, bare.face_ids, bare.barycentric),
            "cover_normals": bare.normals,
            "cover_bone": bare.bone,
        }
        arguments = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float32), arguments)
        solution = levenberg_marquardt(_residuals, x, (arguments,), max_iterations=30, with_covariance=True)
        moved = np.abs(np.asarray(solution.x) - x).max()
        x = np.asarray(solution.x)
        if moved < _STILL_SD:
            break
    assert solution is not None
    assert solution.covariance is not None
    outcome = Outcome(int(solution.code))
    if not np.isfinite(x).all() or outcome == Outcome.NOT_FINITE:
        raise InputError("the head model could not be fitted: its numbers are not finite; check the head model's file")
    mesh = posed_mesh(head.skin, x)
    scene = DistanceScene(mesh)
    hits = scene.cast(bone, directions)
    in_front = alignment.bone_points[:, 2] > 0
    cover = _cover(scene, mesh, alignment.bone_points[in_front], alignment.bone_normals[in_front])
    return FittedHead(
        mesh=posed_mesh(head.model, x),
        betas=x[:identities].astype(np.float64),
        betas_sd=np.sqrt(np.diagonal(np.asarray(solution.covariance))[:identities]).astype(np.float64),
        turn=x[identities : identities + 3].astype(np.float64) * _TURN_SD_RAD,
        move=x[identities + 3 :].astype(np.float64) * _MOVE_SD_MM,
        depth_targets_mm=targets,
        depths_mm={
            name: float(hits.distance[row]) for row, name in enumerate(names) if name in targets and hits.hit[row]
        },
        least_cover_mm=float(cover.min()),
        outcome=outcome.name.lower(),
    )


def posed_mesh(model: HeadModel, x: Float[np.ndarray, " parameters"]) -> Mesh:
    """The head for a parameter vector: coefficients, then turn and move in their standard deviations."""
    identities = model.shapedirs.shape[2]
    vertices = model.v_template + model.shapedirs @ x[:identities]
    turn = Rotation.from_rotvec(x[identities : identities + 3] * _TURN_SD_RAD).as_matrix()
    return Mesh(vertices.astype(np.float64) @ turn.T + x[identities + 3 :] * _MOVE_SD_MM, model.faces)


def _residuals(x: jax.Array, arguments: dict[str, Any]) -> jax.Array:
    """All residuals in standard deviations; jitted by the solver."""
    identities = arguments["hits"].components.shape[-1]
    betas, turn, move = x[:identities], x[identities : identities + 3], x[identities + 3 :]
    rotation = axis_angle_to_matrix(turn * _TURN_SD_RAD)

    def placed(basis: IdentityBasis) -> jax.Array:
        points = jnp.asarray(basis.mean) + jnp.einsum(
            "pdk,k->pd", basis.components, betas, precision=jax.lax.Precision.HIGHEST
        )
        return points @ rotation.T + move * _MOVE_SD_MM

    normals = arguments["hit_normals"]
    depth = jnp.sum((placed(arguments["hits"]) - arguments["goals"]) * normals, axis=-1) / arguments["depth_sd"]
    gap = placed(arguments["ties"]) - arguments["goals"]
    along = (gap - jnp.sum(gap * normals, axis=-1, keepdims=True) * normals) / arguments["along_sd"][:, None]
    over = jnp.sum((placed(arguments["cover"]) - arguments["cover_bone"]) * arguments["cover_normals"], axis=-1)
    cover = jax.nn.relu(_COVER_MM - over) / _COVER_SD_MM
    return jnp.concatenate([depth, along.ravel(), cover, x])


@dataclasses.dataclass(frozen=True)
class _Bare:
    face_ids: np.ndarray
    barycentric: np.ndarray
    normals: np.ndarray
    bone: np.ndarray


def _barest(scene: DistanceScene, mesh: Mesh, bone: np.ndarray, bone_normals: np.ndarray) -> _Bare:
    """The bone points with the least skin over them, and the skin that is nearest to each."""
    rows = np.argsort(_cover(scene, mesh, bone, bone_normals))[:_COVER_POINTS]
    near = scene.closest(bone[rows])
    normals = _smooth_normals(mesh, near.face_ids, near.barycentric)
    return _Bare(near.face_ids, near.barycentric, normals, bone[rows])


def _smooth_normals(mesh: Mesh, face_ids: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    """Interpolated normals: those of single triangles would jump from round to round and keep the fit from settling."""
    normals = np.einsum("pc,pcd->pd", barycentric, mesh.vertex_normals()[mesh.faces[face_ids]])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _cover(scene: DistanceScene, mesh: Mesh, bone: np.ndarray, bone_normals: np.ndarray) -> np.ndarray:
    """Thickness of skin over bone points, negative where bone is bare; infinite where the nearest skin is not over
    that side of the bone."""
    near = scene.closest(bone)
    normals = _smooth_normals(mesh, near.face_ids, near.barycentric)
    over = np.einsum("pd,pd->p", near.points - bone, normals)
    return np.where(np.einsum("pd,pd->p", normals, bone_normals) > 0.2, over, np.inf)


def _targets(
    alignment: Alignment, tissue: TissueDepths, fullness: float
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Bone points to start from, and the depths wanted at those whose depth is in the table."""
    used = {key: alignment.landmarks[key] for key in tissue.points() if key in alignment.landmarks}
    targets = {key: tissue.at(key, fullness) for key in used if key not in SCALP}
    if {"mso_l", "mso_r"} & set(used):
        used |= {key: point for key, point in alignment.controls.items() if abbreviation_of(key) in _FOREHEAD}
    return used, targets


def _depth_of(key: str, tissue: TissueDepths, fullness: float) -> float:
    depth = tissue.at(key, fullness) if abbreviation_of(key) in tissue.mean else EXTRA_DEPTHS_MM[abbreviation_of(key)]
    return depth + (HAIR_CAP_MM if key in SCALP else 0.0)

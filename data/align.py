"""A new skull into the head frame, with its landmarks: global registration, the jaw on its own, a smooth bend,
transfer."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float

from data.jaw import Jaw, find_jaw, mandible_mask
from data.landmarks import MANDIBULAR, abbreviation_of
from data.likeness import facial, require_skull, to_bone
from data.nonrigid import Bend, Template, bend
from data.prior import AnatomyPrior
from data.registration import Oriented, matched_distance, refine, register
from data.tissue_depth import KAPPA
from data.warp import similarity, thin_plate_matrix
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh, transform_points
from fields.sampling import sample_surface
from flame_jax.errors import InputError

_TARGET_POINTS = 24_000
_TEMPLATE_POINTS = 8_000
_BEND_POINTS = 3_000
_LANDMARK_REACH_MM = 4.0
"""Farther than this from bone that faces its way, a landmark counts as missing."""
_TURN_VERTICES = 120
"""Vertices around a control that tell how its surroundings turned."""
_ON_BONE_MM = 2.0
"""Nearer than this, a point of the bent template has bone under it."""


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Where a skull lies and where its landmarks are."""

    T_head_skull: Float[np.ndarray, "4 4"]
    """Rigid transform from the skull's frame (mm) to the head frame."""
    landmarks: dict[str, Float[np.ndarray, "3"]]
    """Landmarks found on the skull, head frame, mm; those without bone under them are absent."""
    bent_landmarks: dict[str, Float[np.ndarray, "3"]]
    """All 40 landmarks of the bent template, head frame, mm, whether or not there is bone."""
    directions: dict[str, Float[np.ndarray, "3"]]
    """Direction in which the depth is measured at each of the prior's controls, head frame, unit."""
    controls: dict[str, Float[np.ndarray, "3"]]
    """All of the prior's controls on the bent template, head frame, mm."""
    bent_skull: Mesh
    """The template bent onto the skull, head frame, mm."""
    bone_points: Float[np.ndarray, "points 3"]
    """Outer surface points of the bent template that have bone under them, head frame, mm."""
    bone_normals: Float[np.ndarray, "points 3"]
    """Their outward normals."""
    scale: float
    """Size of the skull relative to the template."""
    jaw: Jaw
    face_misfit_mm: float
    """Median distance from the bent template's facial skeleton to the bone."""
    face_covered: float
    """Share of the bent template's facial skeleton with bone within `_ON_BONE_MM`."""
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """What alignment needs of the prior, made once."""

    exposed: Oriented
    cranium: Oriented
    mandible: Oriented
    is_jaw: Bool[np.ndarray, " vertices"]
    modes: Float[np.ndarray, "vertices 3 modes"]
    surface: SurfacePoints
    """Bend points, spread over the skull."""
    controls: SurfacePoints
    """The prior's controls on the skull's surface."""


def align_skull(skull_mm: Mesh, prior: AnatomyPrior, *, source: str, force: bool = False) -> Alignment:
    """Place a skull (mm, any pose, possibly incomplete) in the head frame and find its landmarks.

    Raises `InputError` when the mesh does not look like a skull, unless `force`.
    """
    prepared = _prepare(prior)
    target = Oriented.exposed(skull_mm, _TARGET_POINTS)
    if len(target.points) < 500:
        raise InputError(
            f"{source}: has no outer surface to register; turn its triangles outside, or use a closed mesh"
        )
    first = register(prepared.exposed, target)
    placed = refine(prepared.cranium, target, first.T_target_template)
    to_template = np.linalg.inv(placed.T_target_template)
    rigid = placed.scale * to_template  # undo the scale about the origin between the poria
    rigid[3] = [0, 0, 0, 1]
    scaling = np.diag([placed.scale] * 3 + [1.0])
    skull_head = skull_mm.transformed(rigid)
    landmarks = prior.landmark_points()
    at_size = {key: placed.scale * point for key, point in landmarks.items()}
    if not force:
        require_skull(prior.skull.transformed(scaling), at_size, skull_head, source=source)
    # Everything from here on in the template's frame and size; lengths differ from mm by the scale only.
    there = target.moved(to_template)
    jaw = find_jaw(prepared.mandible, there, landmarks)
    field, template = _bent(prepared, prior, jaw, there)
    bent_head = Mesh(template.points + field.at(template), prior.skull.faces).transformed(scaling)
    outer = prepared.surface.on(bent_head)
    outer_normals = bent_head.face_normals()[prepared.surface.face_ids]
    gap, facing = to_bone(skull_head, outer, outer_normals)
    on_bone = (gap < _ON_BONE_MM) & (facing > 0.3)
    in_face = facial(outer, outer_normals, marks := prior.landmark_points(bent_head))
    found = _on_bone(marks, bent_head, prior, skull_head)
    if not jaw.present:
        found = {key: point for key, point in found.items() if abbreviation_of(key) not in MANDIBULAR}
    return Alignment(
        T_head_skull=rigid,
        landmarks=found,
        bent_landmarks=marks,
        directions=_turned_directions(prior, bent_head),
        controls=dict(zip(prior.control_names, prepared.controls.on(bent_head), strict=True)),
        bent_skull=bent_head,
        scale=placed.scale,
        jaw=jaw,
        bone_points=outer[on_bone],
        bone_normals=outer_normals[on_bone],
        face_misfit_mm=float(np.median(gap[in_face])),
        face_covered=float(on_bone[in_face].mean()),
        warnings=_warnings(prior, found, jaw),
    )


@functools.lru_cache(maxsize=2)
def _prepared(holder: _Holder) -> _Prepared:
    prior = holder.prior
    skull, landmarks = prior.skull, prior.landmark_points()
    is_jaw = mandible_mask(skull, landmarks)
    face_jaw = is_jaw[skull.faces].all(axis=1)
    exposed = Oriented.exposed(skull, _TEMPLATE_POINTS)
    surface = sample_surface(skull, 4 * _BEND_POINTS, seed=0)
    return _Prepared(
        exposed=exposed,
        cranium=Oriented.exposed(Mesh(skull.vertices, skull.faces[~face_jaw]), _TEMPLATE_POINTS),
        mandible=Oriented.exposed(Mesh(skull.vertices, skull.faces[face_jaw]), 1500),
        is_jaw=is_jaw,
        modes=_skull_modes(prior),
        surface=_spread(surface, skull),
        controls=DistanceScene(skull).closest(prior.controls),
    )


class _Holder:
    """Hashable by identity, so that a prior's preparation is kept while the prior lives."""

    def __init__(self, prior: AnatomyPrior):
        self.prior = prior

    def __hash__(self) -> int:
        return id(self.prior)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Holder) and other.prior is self.prior


def _prepare(prior: AnatomyPrior) -> _Prepared:
    return _prepared(_Holder(prior))


def _skull_modes(prior: AnatomyPrior) -> np.ndarray:
    """Displacement of the skull's vertices per standard deviation of each head mode and of each depth."""
    head = prior.head
    corners = head.faces[prior.tie_faces]
    of_heads = np.einsum("pc,pcdk->pdk", prior.tie_weights, head.shapedirs[corners])
    sds = np.array([KAPPA * prior.tissue.sd.get(abbreviation_of(name), 2.0) for name in prior.control_names])
    of_depths = -np.eye(len(sds))[:, None, :] * prior.directions[:, :, None] * sds
    controls = np.concatenate([of_heads, of_depths], axis=2)
    matrix = thin_plate_matrix(prior.controls, prior.skull.vertices)
    modes = np.einsum("vc,cdk->vdk", matrix, controls)
    # Their principal axes, as many as carry all but a thousandth of the variance.
    flat = modes.reshape(-1, modes.shape[2])
    values, vectors = np.linalg.eigh(flat.T @ flat)
    keep = np.cumsum(values) > 1e-3 * values.sum()
    return (flat @ vectors[:, keep]).reshape(len(matrix), 3, -1)


def _spread(surface: SurfacePoints, skull: Mesh) -> SurfacePoints:
    """Some of the surface points that look outwards, the first of them each farthest from those before."""
    outward = Oriented.exposed(skull, 2 * _TEMPLATE_POINTS)
    near, _ = matched_distance(surface.points, skull.face_normals()[surface.face_ids], outward)
    rows = np.flatnonzero(near < 3.0)[: 2 * _BEND_POINTS]
    points = surface.points[rows]
    chosen = [0]
    gap = ((points - points[0]) ** 2).sum(axis=1)
    while len(chosen) < 220:
        chosen.append(int(np.argmax(gap)))
        gap = np.minimum(gap, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    rest = np.random.default_rng(0).permutation(rest)[: _BEND_POINTS - len(chosen)]
    rows = rows[np.concatenate([chosen, rest])]
    return SurfacePoints(surface.points[rows], surface.face_ids[rows], surface.barycentric[rows])


def _moved_jaw(points: np.ndarray, is_jaw: np.ndarray, jaw: Jaw) -> np.ndarray:
    return np.where(is_jaw[:, None], transform_points(jaw.T_open_closed, points), points)


def _bent(prepared: _Prepared, prior: AnatomyPrior, jaw: Jaw, target: Oriented) -> tuple[Bend, Template]:
    """The bend, and the whole template that it can be applied to."""
    skull, turn = prior.skull, jaw.T_open_closed[:3, :3]
    normals = skull.vertex_normals()
    whole = Template(
        _moved_jaw(skull.vertices, prepared.is_jaw, jaw),
        np.where(prepared.is_jaw[:, None], normals @ turn.T, normals),
        np.where(prepared.is_jaw[:, None, None], np.einsum("ij,vjk->vik", turn, prepared.modes), prepared.modes),
        prepared.is_jaw,
    )
    corners, weights = skull.faces[prepared.surface.face_ids], prepared.surface.barycentric
    face_normals = skull.face_normals()[prepared.surface.face_ids]
    in_jaw = prepared.is_jaw[corners].all(axis=1)
    few = Template(
        np.einsum("pc,pcd->pd", weights, whole.points[corners]),
        np.where(in_jaw[:, None], face_normals @ turn.T, face_normals),
        np.einsum("pc,pcdk->pdk", weights, whole.modes[corners]),
        in_jaw,
    )
    return bend(few, target), whole


def _on_bone(marks: dict[str, np.ndarray], bent: Mesh, prior: AnatomyPrior, skull: Mesh) -> dict[str, np.ndarray]:
    """Each landmark moved to the nearest bone that faces its way; those without any are dropped."""
    points = np.stack(list(marks.values()))
    normals = bent.face_normals()[prior.landmarks.face_ids]
    gap, facing = to_bone(skull, points, normals)
    near = DistanceScene(skull).closest(points).points
    kept = (gap < _LANDMARK_REACH_MM) & (facing > 0.0)
    return {key: near[row] for row, key in enumerate(marks) if kept[row]}


def _turned_directions(prior: AnatomyPrior, bent: Mesh) -> dict[str, np.ndarray]:
    """The prior's depth directions, each turned as the bone around its control turned from template to bent template.

    Steadier than normals of the new bone, which teeth, holes and voxel steps disturb.
    """
    turned = {}
    for name, control, direction in zip(prior.control_names, prior.controls, prior.directions, strict=True):
        gap = ((prior.skull.vertices - control) ** 2).sum(axis=1)
        around = np.argsort(gap)[:_TURN_VERTICES]
        turn = similarity(prior.skull.vertices[around], bent.vertices[around])[:3, :3]
        turned[name] = turn @ direction / np.linalg.norm(turn @ direction)
    return turned


def _warnings(prior: AnatomyPrior, found: dict[str, np.ndarray], jaw: Jaw) -> tuple[str, ...]:
    warnings = []
    if not jaw.present:
        warnings.append("the mandible is missing: the lower face follows the head model")
    elif jaw.opening_mm:
        warnings.append(f"the jaw stands open by {jaw.opening_mm:.0f} mm: the face is drawn with the jaw where it is")
    missing = [
        key
        for key in prior.landmark_names
        if key not in found and not (not jaw.present and abbreviation_of(key) in MANDIBULAR)
    ]
    if missing:
        warnings.append(f"no bone at {', '.join(missing)}: these landmarks are not used")
    return tuple(warnings)

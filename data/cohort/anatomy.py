"""A person of the cohort: head, skull and the soft tissue between them, as a pure JAX function of random numbers."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Key

from data.cohort.bone_field import BoneField
from data.cohort.rays import Rays
from data.cohort.tissue_law import TissueLaw
from data.jaw_opening import JawOpening
from fields.mesh_distance import MeshIndex, closest
from flame_jax.model import Array

COVER_MM = 1.2
"""Skin that bone keeps over itself, whatever depths and rules say: no skull looks out of its face."""
_ROUNDS = 2
"""Of correcting depths along rays: a depth that is corrected moves other controls a little, by the placement rules that
they share."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Anatomy:
    """All constants of a generator; head frame, mm. Made by `data.cohort.generator`."""

    head: Float[Array, "head_vertices 3"]
    """Mean head, closed."""
    head_modes: Float[Array, "head_vertices 3 identities"]
    """Of the head model, each turned back by the rigid motion of the skull that would go with it."""
    jaw: JawOpening
    """How skin and mandible move when the jaw opens."""
    rest: Float[Array, "vertices 3"]
    """Skeleton in the mean head; see `data.cohort.skeleton`."""
    is_jaw: Bool[Array, " vertices"]
    """Whether a vertex belongs to the mandible."""
    cranium: Float[Array, " vertices"]
    """Weights of the vertices whose rigid fit is the head frame; they add to one."""
    warp: Float[Array, "vertices controls"]
    """Displacements of controls to displacements of vertices."""
    follow: Float[Array, "controls 3 identities"]
    """Displacement of controls per coefficient of the head, where depths and rules leave it open."""
    target: Float[Array, "deviations identities"]
    coordinate: Float[Array, "deviations controls 3"]
    effect: Float[Array, "controls 3 deviations"]
    """As in `data.cohort.controls`."""
    offset: Float[Array, " deviations"]
    mean: Float[Array, " deviations"]
    """Mean depth; 0 for residuals of rules."""
    spread: Float[Array, " deviations"]
    """Of depths, the standard deviation of the logarithm; of residuals, their own in mm."""
    law: TissueLaw
    bone: BoneField
    """At the vertices."""
    bone_at_controls: BoneField
    bone_sd: Float[Array, ""]
    slip: BoneField
    """At the controls."""
    slip_sd: Float[Array, ""]
    rays: Rays
    """That measure depths."""
    near_vertices: Int[Array, " near"]
    """Bone close under the skin."""
    nearest_vertices: Int[Array, " nearest"]
    """Those of them that lie closest."""
    head_index: MeshIndex
    """Of the head's triangles."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Person:
    """What makes one person."""

    fullness: Float[Array, "*batch"]
    """Of the face, in standard deviations."""
    bone_betas: Float[Array, "*batch identities"]
    """What the bones make of the head's coefficients …"""
    tissue_betas: Float[Array, "*batch identities"]
    """… and what the soft tissue does: `data.cohort.tissue_law`."""
    scores: Float[Array, "*batch deviations"]
    """Of depths and residuals, each ~ N(0, 1)."""
    bone_noise: Float[Array, "*batch bone_size"]
    """Of the bones' own displacement at the controls, ~ N(0, 1)."""
    between_noise: Float[Array, "*batch bone_size"]
    """Of the same between the controls. Were it one field, the controls' share could be told from the rest, exactly."""
    slip_noise: Float[Array, "*batch slip_size"]
    """Of the controls' slip, ~ N(0, 1)."""
    opening: Float[Array, "*batch"]
    """Of the jaw, 0 (shut) to 1."""

    @property
    def betas(self) -> Float[Array, "*batch identities"]:
        """Coefficients of the head, each ~ N(0, 1)."""
        return self.bone_betas + self.tissue_betas


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Body:
    """A person's head and skeleton, mm, in the head frame of that skull."""

    head: Float[Array, "*batch head_vertices 3"]
    skeleton: Float[Array, "*batch vertices 3"]
    """With the jaw shut, whatever the head's mouth does."""
    deviations: Float[Array, "*batch deviations"]
    """Depths, then residuals of rules, mm."""
    T_head_model: Float[Array, "*batch 4 4"]
    """From where the head model puts the head to where it lies here: rigid."""
    T_open_closed: Float[Array, "*batch 4 4"]
    """How the mandible has to be moved to open as the head's mouth does; rigid, in the head frame."""


def draw_person(
    key: Key[jax.Array, ""],
    anatomy: Anatomy,
    *,
    fullness_mean: Float[Array, ""],
    fullness_sd: Float[Array, ""],
    opening: Float[Array, ""],
) -> Person:
    """Draw a person.

    Args:
        key: A random key.
        anatomy: The generator's.
        fullness_mean: Expected fullness, in standard deviations of the population: 0 when nothing is known.
        fullness_sd: Its spread: 1 when nothing is known, 0 when it is given.
        opening: Of the jaw, 0 (shut) to 1.
    """
    keys = jax.random.split(key, 7)
    fullness = fullness_mean + fullness_sd * jax.random.normal(keys[0])
    identities = (anatomy.head_modes.shape[2],)
    bone_betas, tissue_betas, scores = anatomy.law.sample(
        fullness,
        jax.random.normal(keys[1], identities),
        jax.random.normal(keys[2], identities),
        jax.random.normal(keys[3], anatomy.mean.shape),
    )
    return Person(
        fullness=fullness,
        bone_betas=bone_betas,
        tissue_betas=tissue_betas,
        scores=scores,
        bone_noise=jax.random.normal(keys[4], (anatomy.bone.size,)),
        between_noise=jax.random.normal(keys[5], (anatomy.bone.size,)),
        slip_noise=jax.random.normal(keys[6], (anatomy.slip.size,)),
        opening=jnp.asarray(opening, jnp.float32),
    )


def deviations_of(anatomy: Anatomy, scores: Float[Array, " deviations"]) -> Float[Array, " deviations"]:
    """Depths (lognormal, of the table's mean and standard deviation) and residuals (normal) in mm from their scores."""
    lognormal = anatomy.mean * jnp.exp(anatomy.spread * scores - 0.5 * anatomy.spread**2)
    return jnp.where(anatomy.mean > 0.0, lognormal, anatomy.spread * scores)


def body_of(anatomy: Anatomy, person: Person, *, covered: bool = True) -> Body:
    """Head and skeleton of a person.

    Args:
        anatomy: The generator's.
        person: Whose.
        covered: Whether bone that looks out of the skin is pushed in. It is where nine tenths of the time go, for 80 of
            24,000 vertices (training, which sees many skulls, does without). Static.
    """
    with jax.default_matmul_precision("highest"):
        head = anatomy.head + anatomy.head_modes @ person.betas
        displacement = _displacement(anatomy, person, head)
        skeleton = anatomy.rest + displacement
        jaw = anatomy.jaw.of_person(jnp.mean(displacement, axis=0, where=anatomy.is_jaw[:, None]))
        head = head + person.opening * anatomy.jaw.skin
        opened = jaw.mandible_transform(person.opening)
        if covered:
            # As the mouth is, and shut again.
            skeleton = _covered(anatomy, head, _with_jaw(anatomy, skeleton, opened))
            skeleton = _with_jaw(anatomy, skeleton, _inverse(opened))
        transform = rigid_fit(skeleton, anatomy.rest, anatomy.cranium)
        return Body(
            head=_moved(head, transform),
            skeleton=_moved(skeleton, transform),
            deviations=deviations_of(anatomy, person.scores),
            T_head_model=transform,
            T_open_closed=transform @ opened @ _inverse(transform),
        )


def rigid_fit(
    source: Float[Array, "points 3"], target: Float[Array, "points 3"], weights: Float[Array, " points"]
) -> Float[Array, "4 4"]:
    """The rigid transform that takes source to target with least weighted squares (Kabsch 1976); weights add to one."""
    with jax.default_matmul_precision("highest"):
        centre, goal = weights @ source, weights @ target
        u, _, vt = jnp.linalg.svd(((target - goal[None]) * weights[:, None]).T @ (source - centre[None]))
        turn = jnp.stack([jnp.ones(()), jnp.ones(()), jnp.linalg.det(u @ vt)])
        rotation = (u * turn[None]) @ vt
        return jnp.eye(4).at[:3, :3].set(rotation).at[:3, 3].set(goal - rotation @ centre)


def _displacement(anatomy: Anatomy, person: Person, head: Array) -> Float[Array, "vertices 3"]:
    """Of the skeleton, from the mean one: what controls hand on, and the bones' own between them."""
    bone, at_controls = anatomy.bone, anatomy.bone_at_controls
    own = anatomy.bone_sd * at_controls.displacement(person.bone_noise)
    own = own + anatomy.slip_sd * anatomy.slip.displacement(person.slip_noise) + anatomy.follow @ person.bone_betas
    deviations = deviations_of(anatomy, person.scores)
    wanted = anatomy.target @ person.betas - (deviations - anatomy.mean - anatomy.offset)
    controls = own + anatomy.effect @ (wanted - jnp.einsum("jcd,cd->j", anatomy.coordinate, own))
    # So far each depth was taken from the skin point over the mean skull's control. Skin curves, and bone has slipped
    # under it: what is left shows on a ray.
    depths = anatomy.rays.deviation
    for _ in range(_ROUNDS):
        short = anatomy.rays.too_long(head, controls, deviations[depths])
        controls = controls + anatomy.effect[:, :, depths] @ short
    between = anatomy.bone_sd * at_controls.displacement(person.between_noise)
    return anatomy.warp @ (controls - between) + anatomy.bone_sd * bone.displacement(person.between_noise)


def _covered(anatomy: Anatomy, head: Array, skeleton: Array) -> Float[Array, "vertices 3"]:
    """Bone pushed in where less than `COVER_MM` of skin lies over it."""
    for vertices in (anatomy.near_vertices, anatomy.nearest_vertices, anatomy.nearest_vertices):
        skin = closest(anatomy.head_index, head, skeleton[vertices])
        bare = jnp.maximum(COVER_MM + skin.distance, 0.0)
        skeleton = jnp.asarray(skeleton).at[vertices].add(-bare[:, None] * skin.normals)
    return skeleton


def _with_jaw(anatomy: Anatomy, skeleton: Array, transform: Array) -> Float[Array, "vertices 3"]:
    """The skeleton with its mandible moved."""
    return jnp.where(anatomy.is_jaw[:, None], _moved(skeleton, transform), skeleton)


def _moved(points: Array, transform: Array) -> Float[Array, "points 3"]:
    return points @ transform[:3, :3].T + transform[None, :3, 3]


def _inverse(transform: Float[Array, "4 4"]) -> Float[Array, "4 4"]:
    """Of a rigid transform."""
    rotation = transform[:3, :3].T
    return jnp.eye(4).at[:3, :3].set(rotation).at[:3, 3].set(-rotation @ transform[:3, 3])

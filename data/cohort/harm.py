"""What happens to a skull and its scan, drawn at random: a pure function of a key, severities and the skull.

Head frame, mm. Every kind has a severity (`data.cohort.severities`); chances and sizes at severity 1 stand below.
`data.cohort.broken` does the harm.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Key

from data.cohort.cuts import (
    Cracks,
    Holes,
    draw_cracks,
    draw_half,
    draw_holes,
    draw_saw_cut,
    draw_view,
    no_plane_unless,
)
from data.cohort.draws import Draws
from data.cohort.severities import Severities
from data.cohort.skeleton import Part, Skeleton
from flame_jax.model import Array
from flame_jax.normals import vertex_normals
from flame_jax.rotations import axis_angle_to_matrix

CHANCE = Severities(
    mandible_missing=0.15,
    mandible_displaced=0.12,
    jaw_open=0.2,
    teeth_lost=0.4,
    edentulous=0.12,
    calvarium_cut=0.12,
    view_cut=0.25,
    half=0.06,
    holes=0.3,
    cracks=0.2,
    outside_only=0.35,
    vertebrae=0.4,
    tube=0.15,
    streaks=0.25,
    thin_bone=0.7,
    staircase=0.7,
    noise=0.8,
    decimation=0.6,
    pose=1.0,
)
"""Chance of each kind at severity 1; of what only a CT has, among CTs. See `Severities` for what they are."""

ALL_TRIANGLES = 10_000_000
"""As a number of triangles: not decimated."""

_NUMBERS = 192
"""Uniform numbers for each kind; holes need most."""
_JAWS = ((0.6, 0.3, 0.1), (True, True), (True, False), (False, True))
"""Edentulous: both jaws, the upper or the lower alone. Upper teeth are lost first."""
_SINGLE_ROOTED = np.array(
    [False] + 2 * ([False] * 3 + [True] * 10 + [False] * 3)  # teeth 1-16 and 17-32: molars outside
)
"""They fall out of a dry skull; molars are held by their roots, but lost before death."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Harm:
    """Everything drawn for one skull. A pytree of fixed shapes."""

    outside_only: Bool[Array, "*batch"]
    """A laser scan."""
    present: Bool[Array, "*batch parts"]
    """Whether each `Part` is there."""
    T_displaced_jaw: Float[Array, "*batch 4 4"]
    """Rigid motion of the mandible in the grave; the identity where it is in place. Of no effect where the jaw is open
    in life (`apply_harm`)."""
    lost_teeth: Bool[Array, "*batch 33"]
    """By number; the first is no tooth."""
    resorption: Float[Array, "*batch 2"]
    """Share of the whole resorption that the upper and the lower ridge have undergone."""
    bone_planes: Float[Array, "*batch 2 4"]
    """Unit normal and offset of the planes that cut bone (calvarium, half), which moves with the jaw: kept where
    n·p + d > 0."""
    view_planes: Float[Array, "*batch 3 4"]
    """The same of the planes where the scan ends: above, below, behind; they cut what lies there."""
    holes: Holes
    cracks: Cracks
    thinnest: Float[Array, "*batch"]
    """Bone thinner than this is lost; 0 for none."""
    R_scanner_head: Float[Array, "*batch 3 3"]
    voxel: Float[Array, "*batch 3"]
    """Size of a voxel along the scanner's axes."""
    terraces: Float[Array, "*batch"]
    """Share of the way to a voxel's boundary that the surface is pulled; 0 for none."""
    rough_noise: Float[Array, "*batch"]
    """Standard deviation of noise that differs from vertex to vertex."""
    smooth_noise: Float[Array, "*batch"]
    """Standard deviation of smooth noise."""
    noise_length: Float[Array, "*batch"]
    """Its length."""
    noise_key: Key[jax.Array, "*batch"]
    triangles: Int[Array, "*batch"]
    """What a file is decimated to, at most."""
    T_scan_head: Float[Array, "*batch 4 4"]
    """Where a file lies."""


def draw_harm(
    key: Key[jax.Array, ""], severities: Severities, skeleton: Skeleton, vertices: Float[Array, "vertices 3"]
) -> Harm:
    """One skull's harm. Traceable by jax, also under `vmap` over keys.

    Chances and sizes at severity 1; a share s runs from 0 (least) to 1 (worst) as `Severities` says:

    - scan: laser 0.35, otherwise CT.
    - mandible missing 0.15; else displaced 0.12: opened by 4–30° about the condyles, dropped by 2–20 mm and shifted,
      turned aside by up to 10°, as it sinks when the joints are gone.
    - teeth lost 0.4: 5–70 % of them, single-rooted ones 1.6 times as often as molars, as in dry skulls. Edentulous
      0.12 (both jaws 0.6, upper 0.3, lower 0.1): the ridge 30–100 % resorbed.
    - calvarium cut 0.12: a plane tilted by up to 10°, at 0.65–0.33 of the height of the vault over the Frankfurt
      plane; the brow is at 0.28 of the prior's skull.
    - view cut 0.25 of CTs: above (0.5; headsq ends at its forehead) at 0.85–0.15 of that height, below (0.2) at
      0.95–0.5 of the depth of the chin, both (0.15), or behind (0.15; cone-beam CT of a face) −50 to 30 mm from the
      poria; tilted by up to 15° as a gantry is.
    - half 0.06: either side; a plane up to 15° off the midsagittal, which leaves 8 mm of the other side or takes 8 mm.
    - holes 0.3: 1–6, radius 2.5–20 mm, small ones more often (s²), anywhere on the skull; outline wavy by about
      ±15 %.
    - cracks 0.2: 1–4, 0.5–2 mm wide and 15–90 mm long, winding, closing towards their ends.
    - left over in a CT: vertebrae 0.4, tube 0.15, streaks 0.25 (not where both jaws are edentulous).
    - CT: voxels of 0.4–1 mm, slices of 0.4–3 mm, in any direction. Staircase 0.7: surfaces 10–80 % of the way to
      the voxels' boundaries. Thin bone 0.7: lost where thinner than 30–70 % of the mean voxel: the partial volume
      then falls below a threshold half-way between flesh and bone.
    - noise 0.8: rough 0–0.25 mm, smooth 0–0.35 mm with lengths of about 5–15 mm.
    - files: decimated 0.6, to 200k–5k triangles (evenly by logarithm); posed always: any rotation, up to 300 mm.

    Args:
        vertices: The person's skull with the jaw closed: heights and centres are taken from it.
    """
    severity = {field.name: getattr(severities, field.name) for field in dataclasses.fields(severities)}
    uniforms = jax.random.uniform(key, (len(severity), _NUMBERS))
    draws = {kind: Draws(row, severity[kind]) for kind, row in zip(severity, uniforms, strict=True)}
    happens = {kind: draws[kind].happens(getattr(CHANCE, kind)) for kind in severity}
    part, ct = jnp.asarray(skeleton.part), ~happens["outside_only"]
    bone = (part == Part.CRANIUM) | (part == Part.MANDIBLE)
    vault = jnp.max(jnp.where(part == Part.CRANIUM, vertices[:, 1], -jnp.inf))
    chin = jnp.min(jnp.where(part == Part.MANDIBLE, vertices[:, 1], jnp.inf))
    normals = vertex_normals(jnp.asarray(vertices), skeleton.faces)
    lost_teeth, resorption = _teeth(draws, happens)
    bare = jnp.all(resorption > 0)
    left_over = [happens["vertebrae"] & ct, happens["tube"] & ct, happens["streaks"] & ct & ~bare]
    jaw = ~happens["mandible_missing"]
    # In-plane twice, then the slices; the scanner's axes are turned at random, so which is which does not matter.
    scanner = Draws(
        jax.random.uniform(jax.random.fold_in(key, 1), (2,)), jnp.maximum(severity["staircase"], severity["thin_bone"])
    )
    voxel = scanner.worse(0.4, 1.0) * jnp.ones(3)
    voxel = voxel.at[2].set(scanner.worse(0.4, 3.0))
    noise, scan = draws["noise"], draws["pose"]
    posed = _rigid(scan.rotation(), scan.even(-300.0, 300.0, (3,)))
    fewer = jnp.exp(draws["decimation"].worse(float(np.log(2e5)), float(np.log(5e3))))
    return Harm(
        outside_only=~ct,
        present=jnp.stack([jnp.array(True), jaw, jnp.array(True), *left_over]),
        T_displaced_jaw=jnp.where(
            happens["mandible_displaced"] & jaw, _displaced(draws["mandible_displaced"], skeleton), jnp.eye(4)
        ),
        lost_teeth=lost_teeth,
        resorption=resorption,
        bone_planes=jnp.stack(
            [
                no_plane_unless(happens["calvarium_cut"], draw_saw_cut(draws["calvarium_cut"], vault)),
                no_plane_unless(happens["half"], draw_half(draws["half"])),
            ]
        ),
        view_planes=draw_view(draws["view_cut"], happens["view_cut"] & ct, vault, chin),
        holes=draw_holes(draws["holes"], happens["holes"], vertices, bone),
        cracks=draw_cracks(draws["cracks"], happens["cracks"], vertices, normals, bone),
        thinnest=jnp.where(happens["thin_bone"] & ct, draws["thin_bone"].worse(0.3, 0.7) * jnp.mean(voxel), 0.0),
        R_scanner_head=draws["staircase"].rotation(),
        voxel=voxel,
        terraces=jnp.where(happens["staircase"] & ct, draws["staircase"].worse(0.1, 0.8), 0.0),
        rough_noise=jnp.where(happens["noise"], noise.worse(0.0, 0.25), 0.0),
        smooth_noise=jnp.where(happens["noise"], noise.worse(0.0, 0.35), 0.0),
        noise_length=noise.even(5.0, 15.0),
        noise_key=jax.random.fold_in(key, 1),
        triangles=jnp.where(happens["decimation"], fewer.astype(jnp.int32), ALL_TRIANGLES),
        T_scan_head=jnp.where(happens["pose"], posed, jnp.eye(4)),
    )


def draw_opening(key: Key[jax.Array, ""], severities: Severities) -> Float[jax.Array, ""]:
    """How far a person's jaw is open, with the face: the weight of a `data.jaw_opening.JawOpening`, 0 where shut.

    Open 0.2, by 0.05–0.6 at severity 1. It belongs to the person and not to the skull's harm, so it has a key of its
    own. Traceable by jax, also under `vmap`.
    """
    draws = Draws(jax.random.uniform(key, (2,)), severities.jaw_open)
    is_open, weight = draws.happens(float(CHANCE.jaw_open)), draws.worse(0.05, 0.6)
    return jnp.where(is_open, weight, 0.0)


def _teeth(draws: dict[str, Draws], happens: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Which teeth are lost, and how far each ridge is resorbed."""
    rate = jnp.where(happens["teeth_lost"], draws["teeth_lost"].worse(0.05, 0.7), 0.0)
    lost = draws["teeth_lost"].even(0.0, 1.0, (33,)) < rate * jnp.where(_SINGLE_ROOTED, 1.2, 0.75)
    chances, *jaws = _JAWS
    bare = jnp.asarray(jaws)[draws["edentulous"].choice(chances)] & happens["edentulous"]
    number = jnp.arange(33)
    lost = (lost | jnp.where(number <= 16, bare[0], bare[1])) & (number > 0)
    return lost, jnp.where(bare, draws["edentulous"].worse(0.3, 1.0), 0.0)


def _displaced(draws: Draws, skeleton: Skeleton) -> jax.Array:
    """A jaw that sank: opened, dropped, turned aside."""
    hinge = jnp.mean(jnp.asarray(skeleton.condyles), axis=0)
    aside = jnp.radians(draws.even(-10.0, 10.0, (2,)))
    opened = jnp.radians(draws.worse(4.0, 30.0))
    turn = axis_angle_to_matrix(jnp.stack([opened, aside[0], aside[1]]))
    shift = jnp.stack([draws.even(-8.0, 8.0), -draws.worse(2.0, 20.0), draws.even(-6.0, 10.0)])
    return _rigid(turn, hinge - turn @ hinge + shift)


def _rigid(rotation: jax.Array, shift: jax.Array) -> jax.Array:
    return jnp.eye(4).at[:3, :3].set(rotation).at[:3, 3].set(shift)

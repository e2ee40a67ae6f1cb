"""Harm done to a skull: where its vertices end up, and what of it is left.

Pure functions of arrays, traceable by jax, also under `vmap`. Everything that decides is linear between the vertices
of a triangle, so that a mesh can be cut along it exactly, and points between the vertices know on which side they are:
files (`data.cohort.broken_mesh`) and points (`data.cohort.seen`) then agree.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from data.cohort.cuts import dot, inside_bone, inside_cracks, inside_planes
from data.cohort.harm import Harm
from data.cohort.skeleton import Part, Skeleton
from data.cohort.waves import RMS, wave
from flame_jax.model import Array
from flame_jax.normals import vertex_normals

_NOISE_WAVES = 24
_NOISE_SCALES = (0.3, 2.0)
"""Of the waves' frequencies: of one length alone they look hammered."""
_DOMINANCE = 8
"""Power of the normal's components that shares a terrace among the axes: nearly all to the largest, but without a
step where two are equal."""
_SLANTED = 0.3
"""Square of the sine between a cut and the surface below which there is no telling where the cut's face lies."""

_MOST_FOLDED_MM = 3.5
"""Farther from a cut the surface may have turned elsewhere. Twice of this is more than a vault has."""
_STILL = 1e-3
"""Entries of a rigid transform less than this off the identity are rounding errors: the least opening is 1.2°."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Harmed:
    """A skull after harm, with the skeleton's triangles. Head frame, mm.

    What is left of the surface is where `in_bone` and `in_scan` are positive, linearly along edges. Where bone was cut,
    its thickness shows: the strip of surface beyond the cut is folded inwards and makes the cut's face, half of it
    from the outer and half from the inner surface. It is what lies between the vertices' places in `folded`, where
    `in_bone` is negative, but `in_bone + fold_depth` and `in_scan` are positive.
    """

    vertices: Float[Array, "*batch vertices 3"]
    folded: Float[Array, "*batch vertices 3"]
    normals: Float[Array, "*batch vertices 3"]
    """Unit normals of the bone that was scanned: without the scanner's noise."""
    in_bone: Float[Array, "*batch vertices"]
    """How far inside of planes and outside of holes."""
    fold_depth: Float[Array, "*batch vertices"]
    """Half of the bone's thickness; 0 where there is nothing to fold."""
    in_scan: Float[Array, "*batch vertices"]
    """How far inside of the scan, and how much thicker than what it loses."""
    in_crack: Float[Array, "*batch vertices cracks 2"]
    """How far on the crack's side of its two walls; what is positive for both, linearly along edges, is gone."""
    face_kept: Bool[Array, "*batch faces"]
    """Whether a triangle belongs to what is there."""


def apply_harm(
    harm: Harm,
    skeleton: Skeleton,
    vertices: Float[Array, "vertices 3"],
    T_open_closed: Float[Array, "4 4"],
) -> Harmed:
    """Do the harm to a person's skull.

    Bone is lost before it is moved, and scanned after: holes, cracks, saw and half follow the bone as it was in life;
    the scan's ends, voxels and noise come where it lies.

    Args:
        vertices: The person's skull with the jaw closed, with the skeleton's topology. Head frame, mm.
        T_open_closed: Motion of the mandible where the person's jaw is open, the face being open too; else the
            identity. A jaw that is open in life is not displaced in the grave too: then `harm.T_displaced_jaw` is
            not used.
    """
    in_life = jnp.asarray(vertices)
    part = jnp.asarray(skeleton.part)
    of_jaw = (part == Part.MANDIBLE)[:, None]
    opened = _moves(jnp.asarray(T_open_closed))
    T_jaw = jnp.where(opened, T_open_closed, harm.T_displaced_jaw)
    whole = _without_teeth(harm, skeleton, in_life)
    lying = jnp.where(of_jaw, whole @ T_jaw[:3, :3].T + T_jaw[None, :3, 3], whole)
    normals = vertex_normals(lying, skeleton.faces)
    in_bone, inwards = inside_bone(harm.bone_planes, harm.holes, in_life)
    inwards = jnp.where(of_jaw, inwards @ T_jaw[:3, :3].T, inwards)
    fold, may_fold = _fold(in_bone, inwards, normals)
    is_bone = (part == Part.CRANIUM) | (part == Part.MANDIBLE) | (part == Part.INNER)
    thickness = jnp.asarray(skeleton.thickness)
    scanned = _scanned(harm, lying, normals)
    return Harmed(
        vertices=scanned,
        folded=scanned + fold,
        normals=normals,
        in_bone=in_bone,
        fold_depth=jnp.where(is_bone & may_fold, jnp.minimum(0.5 * thickness, _MOST_FOLDED_MM), 0.0),
        in_scan=jnp.minimum(inside_planes(harm.view_planes, lying), thickness - harm.thinnest),
        in_crack=inside_cracks(harm.cracks, in_life),
        face_kept=_faces_kept(harm, skeleton, T_jaw),
    )


def _faces_kept(harm: Harm, skeleton: Skeleton, T_jaw: jax.Array) -> jax.Array:
    """Those of the parts that are there. Jaws that are not whole and closed have lids instead of bridges; inner walls
    are always there, so the foramen magnum is open."""
    present = harm.present[jnp.asarray(skeleton.part)]
    present = jnp.all(present[jnp.asarray(skeleton.faces)], axis=1)
    parted = _moves(T_jaw) | ~harm.present[Part.MANDIBLE] | jnp.any(harm.lost_teeth)
    wrong = jnp.where(parted, skeleton.bridge, skeleton.lid) | jnp.asarray(skeleton.foramen)
    return present & ~wrong


def _moves(transform: jax.Array) -> jax.Array:
    """Whether it is more than the identity with rounding errors."""
    return jnp.any(jnp.abs(transform - jnp.eye(4)) > _STILL)


def _without_teeth(harm: Harm, skeleton: Skeleton, vertices: jax.Array) -> jax.Array:
    lost = harm.lost_teeth[jnp.asarray(skeleton.tooth)]
    lower = jnp.asarray(skeleton.part) == Part.MANDIBLE
    resorption = jnp.where(lower, harm.resorption[1], harm.resorption[0])
    return vertices + jnp.where(lost[:, None], skeleton.socket, 0.0) + resorption[:, None] * skeleton.resorbed


def _fold(in_bone: jax.Array, inwards: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What takes the surface beyond a cut onto the cut's face, and where the cut is steep enough for that.

    Along the surface back to the cut, then as far into the bone along the face as the way to the cut was.
    """
    slope = dot(inwards.T, normals)[:, None]
    back = inwards - slope * normals
    into = slope * inwards - normals
    squared = jnp.maximum(1.0 - slope * slope, _SLANTED)
    return -in_bone[:, None] * (back / squared + into * jax.lax.rsqrt(squared)), (1.0 - slope * slope)[:, 0] > _SLANTED


def _scanned(harm: Harm, points: jax.Array, normals: jax.Array) -> jax.Array:
    """Surfaces pulled to the boundaries of voxels, and moved along their normals by noise."""
    facing = [dot(axis, normals) ** _DOMINANCE for axis in harm.R_scanner_head]
    total = jnp.maximum(sum(facing), 1e-12)
    keys = jax.random.split(harm.noise_key, 3)
    rough = harm.rough_noise * jax.random.normal(keys[0], (len(points),))
    # A sum of waves with normal wave vectors has a Gaussian covariance (Rahimi, Recht, "Random features for
    # large-scale kernel machines", NIPS 2007); several scales make a mixture of such.
    vectors = jax.random.normal(keys[1], (_NOISE_WAVES, 3)) / (2 * jnp.pi * harm.noise_length)
    vectors = vectors * jnp.geomspace(*_NOISE_SCALES, _NOISE_WAVES)[:, None]
    phases = jax.random.uniform(keys[2], (_NOISE_WAVES,))

    # A loop of XLA's: what stands outside of one it fuses into all who use it, and does it anew for each.
    def add(smooth: jax.Array, one: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        vector, phase = one
        return smooth + wave(dot(vector, points) + phase), None

    smooth, _ = jax.lax.scan(add, jnp.zeros(len(points)), (vectors, phases))
    outward = rough + harm.smooth_noise / (RMS * _NOISE_WAVES**0.5) * smooth
    moved = points + outward[:, None] * normals
    for axis, size, share in zip(harm.R_scanner_head, harm.voxel, facing, strict=True):
        place = dot(axis, points) / size
        moved = moved + (harm.terraces * size * (jnp.round(place) - place) * share / total)[:, None] * axis[None]
    return moved

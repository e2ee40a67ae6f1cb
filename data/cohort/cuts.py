"""Where bone goes: planes, holes and cracks as drawn, and how far inside of what is kept a point lies.

Head frame, mm. All are pure functions of arrays, traceable by jax.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from data.cohort.draws import Draws
from data.cohort.waves import wave, wave_slope
from flame_jax.model import Array
from flame_jax.rotations import axis_angle_to_matrix

HOLES, CRACKS = 6, 4
"""Most of each on one skull."""
NEVER_MM = 1e3
"""How far inside a point lies where nothing is cut."""

_WAVES = 6
"""Waves that make the outline of a hole irregular."""
_WAVE_HEIGHT = 0.12
"""Of the radius, each. Their frequencies fall, so that outlines are ragged and not round."""
_WINDING_MM = 2.0
"""How far a crack leaves its straight line."""
_TAPER_MM = 10.0
"""Length over which a crack closes at its ends."""
_FACE_Z_MM = 90.0
"""Tilted planes above and below turn about a point of the face, so that their heights are those at the face."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Holes:
    """Spheres with a wavy radius."""

    centres: Float[Array, "*holes 3"]
    radii: Float[Array, "*holes"]
    """0 where there is no hole."""
    waves: Float[Array, "*holes waves 4"]
    """Wave vectors over the unit sphere, and phases, both in turns."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cracks:
    """Thin slabs that wind, end, and close towards their ends."""

    centres: Float[Array, "*batch cracks 3"]
    across: Float[Array, "*batch cracks 3"]
    """Unit vectors in the surface."""
    along: Float[Array, "*batch cracks 3"]
    """Unit vectors in the surface."""
    half_width: Float[Array, "*batch cracks"]
    half_length: Float[Array, "*batch cracks"]
    """0 where there is no crack."""
    wave: Float[Array, "*batch cracks 2"]
    """Turns per mm along the crack, and phase in turns."""


def inside_planes(planes: Float[Array, "planes 4"], points: Float[Array, "points 3"]) -> Float[jax.Array, " points"]:
    """Distance to the nearest plane (unit normal n and offset d in a row), negative beyond any: n·p + d."""
    least = jnp.full(len(points), NEVER_MM)
    for plane in planes:
        least = jnp.minimum(least, dot(plane, points) + plane[3])
    return least


def inside_bone(
    planes: Float[Array, "planes 4"], holes: Holes, points: Float[Array, "points 3"]
) -> tuple[Float[jax.Array, " points"], Float[jax.Array, "points 3"]]:
    """How far inside of planes and outside of holes a point lies, and the unit vectors along which that grows.

    From a hole's edge it counts along the line to its centre.
    """
    points = jnp.asarray(points)
    holes = jax.tree.map(jnp.asarray, holes)
    least, nearest = jnp.full(len(points), NEVER_MM), jnp.zeros(len(points), jnp.int32)
    for number, plane in enumerate(planes):
        inside = dot(plane, points) + plane[3]
        least, nearest = jnp.minimum(least, inside), jnp.where(inside < least, number, nearest)

    # Loops of XLA's, here and below: what stands outside of one it fuses into all who use it, and does it anew for
    # each. The derivative is written out for the same reason (`jax.vjp` of all this took 80 ms), and since that of
    # `jnp.minimum` was zero at every eighth point: it asks which of two equals the result, which had been rounded
    # otherwise elsewhere.
    def nearer(
        best: tuple[jax.Array, jax.Array], hole: tuple[jax.Array, Holes]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        (least, nearest), (number, one) = best, hole
        distance, outwards = _from_centre(points - one.centres[None])
        wavy = sum(wave(dot(vector, outwards) + vector[3]) for vector in one.waves)
        inside = distance - one.radii * (1.0 + _WAVE_HEIGHT * wavy)
        closer = (inside < least) & (one.radii > 0)
        return (jnp.where(closer, inside, least), jnp.where(closer, number, nearest)), None

    numbers = len(planes) + jnp.arange(HOLES)
    (least, nearest), _ = jax.lax.scan(nearer, (least, nearest), (numbers, holes))
    hole = jnp.maximum(nearest - len(planes), 0)
    distance, outwards = _from_centre(points - holes.centres[hole])

    def slope(across: jax.Array, vectors: jax.Array) -> tuple[jax.Array, None]:
        vector = vectors[hole]
        along = dot(vector.T, outwards)
        tangent = vector[:, :3] - along[:, None] * outwards
        return across + wave_slope(along + vector[:, 3])[:, None] * tangent, None

    across, _ = jax.lax.scan(slope, jnp.zeros_like(points), jnp.swapaxes(holes.waves, 0, 1))
    gradient = outwards - (_WAVE_HEIGHT * holes.radii[hole] / distance)[:, None] * across
    gradient = gradient * jax.lax.rsqrt(dot(gradient.T, gradient))[:, None]
    of_plane = jnp.asarray(planes)[jnp.minimum(nearest, len(planes) - 1), :3]
    return least, jnp.where((nearest < len(planes))[:, None], of_plane, gradient)


def inside_cracks(cracks: Cracks, points: Float[Array, "points 3"]) -> Float[jax.Array, "points cracks 2"]:
    """How far a point lies on the crack's side of its left and of its right wall; in the crack where both are positive.

    Two numbers, because cracks are narrower than a mesh's triangles: between vertices each wall is linear, while the
    smaller of the two is not.
    """
    walls = []
    for crack in range(CRACKS):
        offset = points - cracks.centres[crack][None]
        winding = wave(cracks.wave[crack, 0] * dot(cracks.along[crack], offset) + cracks.wave[crack, 1])
        across = dot(cracks.across[crack], offset) + _WINDING_MM * winding
        to_end = cracks.half_length[crack] - jnp.sqrt(dot(offset.T, offset))
        half = cracks.half_width[crack] * jnp.minimum(to_end / _TAPER_MM, 1.0)
        half = jnp.where(cracks.half_length[crack] > 0, half, -NEVER_MM)
        walls += [half + across, half - across]
    return jnp.stack(walls, axis=-1).reshape(-1, CRACKS, 2)


def dot(vector: Float[Array, "*batch"], points: Float[Array, "points 3"]) -> Float[jax.Array, " points"]:
    """Products with one vector, of three or more numbers, or with a row of x, of y and of z each.

    Written out: XLA makes one loop of it and what follows, five times as fast on a CPU as a matrix product.
    """
    points = jnp.asarray(points)
    return points[:, 0] * vector[0] + points[:, 1] * vector[1] + points[:, 2] * vector[2]


def no_plane_unless(happens: Bool[jax.Array, ""], plane: Float[jax.Array, "4"]) -> Float[jax.Array, "4"]:
    """The plane, or one that cuts nothing."""
    return jnp.where(happens, plane, jnp.array([0.0, 1.0, 0.0, NEVER_MM]))


def draw_saw_cut(draws: Draws, vault_mm: Float[jax.Array, ""]) -> Float[jax.Array, "4"]:
    """The plane below which a sawn skull is kept; `vault_mm` is the height of the vault over the Frankfurt plane."""
    height = vault_mm * draws.worse(0.65, 0.33)
    return _tilted(
        draws, jnp.array([0.0, -1.0, 0.0]), jnp.stack([0.0 * height, height, _FACE_Z_MM + 0.0 * height]), 10.0
    )


def draw_half(draws: Draws) -> Float[jax.Array, "4"]:
    """The plane that leaves one side."""
    side = jnp.where(draws.even(-1.0, 1.0) > 0, 1.0, -1.0)
    beyond = draws.worse(-8.0, 8.0)
    return _tilted(draws, jnp.array([1.0, 0.0, 0.0]) * side, jnp.array([1.0, 0.0, 0.0]) * side * beyond, 15.0)


def draw_view(
    draws: Draws, happens: Bool[jax.Array, ""], vault_mm: Float[jax.Array, ""], chin_mm: Float[jax.Array, ""]
) -> Float[jax.Array, "3 4"]:
    """Where a scan ends above, below and behind. `chin_mm` is the height of the chin, which is negative."""
    which = draws.choice((0.5, 0.2, 0.15, 0.15))
    above, below, behind = (which == 0) | (which == 2), (which == 1) | (which == 2), which == 3
    top = _at_face(vault_mm * draws.worse(0.85, 0.15))
    bottom = _at_face(chin_mm * draws.worse(0.95, 0.5))
    back = jnp.array([0.0, 0.0, 1.0]) * draws.worse(-50.0, 30.0)
    return jnp.stack(
        [
            no_plane_unless(happens & above, _tilted(draws, jnp.array([0.0, -1.0, 0.0]), top, 15.0)),
            no_plane_unless(happens & below, _tilted(draws, jnp.array([0.0, 1.0, 0.0]), bottom, 15.0)),
            no_plane_unless(happens & behind, _tilted(draws, jnp.array([0.0, 0.0, 1.0]), back, 15.0)),
        ]
    )


def draw_holes(
    draws: Draws,
    happens: Bool[jax.Array, ""],
    vertices: Float[Array, "vertices 3"],
    bone: Bool[Array, " vertices"],
) -> Holes:
    """Up to six, about vertices of the bone."""
    count = jnp.where(happens, jnp.floor(draws.worse(1.0, HOLES + 0.999)), 0)
    # Squared: small holes are commoner than large ones.
    radii = 2.5 + 17.5 * draws.worse(0.0, 1.0, (HOLES,)) ** 2
    waves = draws.direction((HOLES, _WAVES)) * jnp.linspace(0.25, 1.0, _WAVES)[None, :, None]
    phases = draws.even(0.0, 1.0, (HOLES, _WAVES, 1))
    return Holes(
        centres=jnp.asarray(vertices)[draws.one_of(bone, (HOLES,))],
        radii=jnp.where(jnp.arange(HOLES) < count, radii, 0.0),
        waves=jnp.concatenate([waves, phases], axis=-1),
    )


def draw_cracks(
    draws: Draws,
    happens: Bool[jax.Array, ""],
    vertices: Float[Array, "vertices 3"],
    normals: Float[Array, "vertices 3"],
    bone: Bool[Array, " vertices"],
) -> Cracks:
    """Up to four, about vertices of the bone, through its whole thickness."""
    count = jnp.where(happens, jnp.floor(draws.worse(1.0, CRACKS + 0.999)), 0)
    ids = draws.one_of(bone, (CRACKS,))
    normal, guess = jnp.asarray(normals)[ids], draws.direction((CRACKS,))
    across = jnp.cross(normal, guess)
    across = across / jnp.maximum(jnp.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    per_mm = 1.0 / draws.even(20.0, 50.0, (CRACKS, 1))
    return Cracks(
        centres=jnp.asarray(vertices)[ids],
        across=across,
        along=jnp.cross(across, normal),
        half_width=draws.worse(0.25, 1.0, (CRACKS,)),
        half_length=jnp.where(jnp.arange(CRACKS) < count, draws.worse(7.5, 45.0, (CRACKS,)), 0.0),
        wave=jnp.concatenate([per_mm, draws.even(0.0, 1.0, (CRACKS, 1))], axis=-1),
    )


def _from_centre(offset: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Distances, and unit vectors. Not zero at the centre, which is a vertex."""
    distance = jnp.sqrt(dot(offset.T, offset) + 1e-6)
    return distance, offset / distance[:, None]


def _at_face(height: jax.Array) -> jax.Array:
    return jnp.array([0.0, 1.0, 0.0]) * height + jnp.array([0.0, 0.0, _FACE_Z_MM])


def _tilted(draws: Draws, normal: jax.Array, point: jax.Array, most_deg: float) -> jax.Array:
    """The plane through a point, its normal tilted by up to an angle in any direction."""
    axis = jnp.cross(normal, draws.direction())
    axis = axis / jnp.maximum(jnp.linalg.norm(axis), 1e-6)
    angle = jnp.radians(draws.worse(0.0, most_deg))
    turned = axis_angle_to_matrix(axis * angle) @ normal
    return jnp.concatenate([turned, -jnp.sum(turned * point)[None]])

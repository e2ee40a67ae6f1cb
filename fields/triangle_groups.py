"""Triangles sorted into compact groups, so that most of a mesh is never looked at in a search.

The host decides once per topology which triangles lie together; where they lie is worked out by JAX for every mesh that
a template deforms into. Each group has a box along axes of its own, found in the template: a box that lies flat on the
surface leaves less room than one along x, y and z, and excludes more (Gottschalk, Lin, Manocha, "OBBTree", SIGGRAPH
1996): on the mean head 3.4 boxes are nearer to a query than the surface is, on average, instead of 4.1. When the mesh
is turned or deformed the boxes grow looser; they always hold their triangles.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from fields.mesh import Mesh
from flame_jax.model import Array

GROUP = 64
"""Triangles in a group."""

_TINY = 1e-30
"""Square of a length below which an edge is a point."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TriangleGroups:
    """Which triangles lie together, and how the box around each group is turned. A pytree."""

    triangles: Int[Array, "*batch groups triangles"]
    """Ids of the triangles of each group; the last group repeats one of its own where it is not full."""
    rising: Int[Array, "*batch groups triangles 3"]
    """The vertices of those triangles in ascending order; where a triangle is repeated, three times the same."""
    axes: Float[Array, "*batch groups 3 3"]
    """Unit axes of each group's box, in rows."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PlacedGroups:
    """The groups of one deformed mesh. A pytree."""

    axes: Float[jax.Array, "*batch groups 3 3"]
    """Unit axes of each group's box, in rows."""
    centre: Float[jax.Array, "*batch groups 3"]
    """Middle of each group's box, in the mesh's frame."""
    half: Float[jax.Array, "*batch groups 3"]
    """Half of the size of each group's box along its own axes."""
    flattened: Float[jax.Array, "*batch groups 17 triangles"]
    """Each triangle abc in a frame of its own: a (3), the unit axes u along ab, v in the plane and n across it (9), the
    coordinates of b (x) and of c (x, y) along them, and the inverse squares of the lengths of ac and bc."""


def triangle_groups(template: Mesh) -> TriangleGroups:
    """Sort the triangles of a mesh, which has at least one, into groups. Runs on the host."""
    corners = template.vertices[template.faces].astype(np.float64)
    order = _ordered(np.arange(len(corners)), corners.mean(axis=1))
    count = -(-len(order) // GROUP)
    missing = count * GROUP - len(order)
    triangles = np.concatenate([order, np.repeat(order[-1:], missing)]).reshape(count, GROUP)
    rising = np.sort(template.faces[triangles], axis=-1).reshape(-1, 3)
    rising[len(order) :] = rising[len(order) :, :1]
    points = corners[triangles].reshape(count, 3 * GROUP, 3)
    axes = np.linalg.svd(points - points.mean(axis=1, keepdims=True), full_matrices=False)[2]
    return TriangleGroups(
        triangles.astype(np.int32), rising.reshape(count, GROUP, 3).astype(np.int32), axes.astype(np.float32)
    )


def placed(groups: TriangleGroups, corners: Float[jax.Array, "faces 3 3"]) -> PlacedGroups:
    """The groups where their triangles are now.

    Args:
        groups: Made of a mesh of the same topology.
        corners: The three corners of every triangle, in single precision.
    """
    axes = jnp.asarray(groups.axes)
    members = corners[jnp.asarray(groups.triangles)]
    points = members.reshape(len(members), -1, 3)
    # Relative to one of its own points, so that a mesh far from the origin loses nothing.
    anchor = points[:, :1]
    along = jnp.stack([_dot(points - anchor, axes[:, None, row]) for row in range(3)], axis=-1)
    low, high = along.min(axis=1), along.max(axis=1)
    middle = (((low + high) / 2)[:, :, None] * axes).sum(axis=1)
    return PlacedGroups(axes, anchor[:, 0] + middle, (high - low) / 2, _flattened(members))


def least_squared(groups: PlacedGroups, points: Float[jax.Array, "points 3"]) -> Float[jax.Array, "points groups"]:
    """The square of the distance from each point to each group's box: none of its triangles is nearer."""
    offset = [points[:, None, axis] - groups.centre[None, :, axis] for axis in range(3)]
    total = jnp.zeros((len(points), len(groups.centre)), jnp.float32)
    for row in range(3):
        # Written out: a matrix product of accelerators may round to fewer bits.
        place = sum(groups.axes[None, :, row, axis] * offset[axis] for axis in range(3))
        beyond = jnp.maximum(jnp.abs(place) - groups.half[None, :, row], 0.0)
        total = total + beyond * beyond
    return total


def squared_distances(
    groups: PlacedGroups, group: Int[jax.Array, " points"], points: Float[jax.Array, "points 3"]
) -> Float[jax.Array, "points triangles"]:
    """The square of the distance from each point to each triangle of one group."""
    near = _Flat.of(groups.flattened[group], points[:, :, None])
    return jnp.where(near.inside, 0.0, jnp.minimum(jnp.minimum(near.ab, near.ac), near.bc)) + near.height**2


def closest_on_triangles(
    groups: PlacedGroups,
    group: Int[jax.Array, " points"],
    slot: Int[jax.Array, " points"],
    points: Float[jax.Array, "points 3"],
) -> tuple[Float[jax.Array, "points 3"], Float[jax.Array, "points 3"]]:
    """The point of one triangle closest to each point, as weights of the triangle's corners, and the triangle's unit
    normal; the triangle is the one at `slot` of `group`."""
    flattened = groups.flattened[group, :, slot]
    near = _Flat.of(flattened, points)
    zero, one = jnp.zeros_like(near.t), jnp.ones_like(near.t)
    within_c = near.y / jnp.maximum(near.cy, _TINY)
    within_b = (near.x - within_c * near.cx) / jnp.maximum(near.bx, _TINY)
    least = jnp.minimum(jnp.minimum(near.ab, near.ac), near.bc)
    choices = (
        (near.inside, (one - within_b - within_c, within_b, within_c)),
        (near.ab == least, (one - near.r, near.r, zero)),
        (near.ac == least, (one - near.t, zero, near.t)),
    )
    weights = jnp.stack([zero, one - near.s, near.s], axis=-1)
    for chosen, choice in reversed(choices):
        weights = jnp.where(chosen[:, None], jnp.stack(choice, axis=-1), weights)
    return weights, flattened[:, 9:12]


@dataclasses.dataclass(frozen=True)
class _Flat:
    """Where points lie in the frames of triangles: a is the origin, b is on the x axis, c is in the plane, above it."""

    x: jax.Array
    y: jax.Array
    height: jax.Array
    bx: jax.Array
    cx: jax.Array
    cy: jax.Array
    inside: Bool[jax.Array, "..."]
    """Whether the foot of the height lies within the triangle."""
    r: jax.Array
    """Where on ab the closest point is, from 0 to 1; likewise t on ac and s on bc."""
    t: jax.Array
    s: jax.Array
    ab: jax.Array
    """The square of the distance in the plane to ab, likewise ac and bc."""
    ac: jax.Array
    bc: jax.Array

    @classmethod
    def of(cls, flattened: jax.Array, points: jax.Array) -> _Flat:
        """Of triangles in rows of 17 and of points in rows of 3; further axes broadcast."""
        w = points - flattened[:, :3]
        x, y, height = (
            flattened[:, row] * w[:, 0] + flattened[:, row + 1] * w[:, 1] + flattened[:, row + 2] * w[:, 2]
            for row in (3, 6, 9)
        )
        bx, cx, cy, inverse_ac, inverse_bc = (flattened[:, row] for row in range(12, 17))
        ex, xb = cx - bx, x - bx
        r = jnp.clip(x, 0.0, bx)
        t = jnp.clip((x * cx + y * cy) * inverse_ac, 0.0, 1.0)
        s = jnp.clip((xb * ex + y * cy) * inverse_bc, 0.0, 1.0)
        return cls(
            x=x,
            y=y,
            height=height,
            bx=bx,
            cx=cx,
            cy=cy,
            inside=(y > 0.0) & (x * cy > y * cx) & (ex * y > cy * xb),
            r=r / jnp.maximum(bx, _TINY),
            t=t,
            s=s,
            ab=(x - r) ** 2 + y**2,
            ac=(x - t * cx) ** 2 + (y - t * cy) ** 2,
            bc=(xb - s * ex) ** 2 + (y - s * cy) ** 2,
        )


def _ordered(ids: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The ids so that each run of `GROUP` lies together: halved across the longest side, again and again."""
    if len(ids) <= GROUP:
        return ids
    places = centres[ids]
    order = ids[np.argsort(places[:, np.argmax(np.ptp(places, axis=0))], kind="stable")]
    half = (-(-len(ids) // GROUP) // 2) * GROUP
    return np.concatenate([_ordered(order[:half], centres), _ordered(order[half:], centres)])


def _flattened(members: jax.Array) -> jax.Array:
    a, b, c = members[:, :, 0], members[:, :, 1], members[:, :, 2]
    u = _unit(b - a, jnp.zeros_like(a).at[..., 0].set(1.0))
    across = (c - a) - _dot(c - a, u)[..., None] * u
    # Of a triangle without area any plane through its edge will do.
    least = jax.nn.one_hot(jnp.argmin(jnp.abs(u), axis=-1), 3, dtype=u.dtype)
    v = _unit(across, _unit(jnp.cross(u, least), least))
    # Once more: of a sliver little is left of `across`, and that little is not quite across.
    v = _unit(v - _dot(v, u)[..., None] * u, v)
    bx, cx, cy = _dot(b - a, u), _dot(c - a, u), jnp.maximum(_dot(c - a, v), 0.0)
    inverse_ac = 1.0 / jnp.maximum(cx**2 + cy**2, _TINY)
    inverse_bc = 1.0 / jnp.maximum((cx - bx) ** 2 + cy**2, _TINY)
    plane = jnp.stack([bx, cx, cy, inverse_ac, inverse_bc], axis=-1)
    return jnp.concatenate([a, u, v, jnp.cross(u, v), plane], axis=-1).swapaxes(1, 2)


def _unit(vectors: jax.Array, otherwise: jax.Array) -> jax.Array:
    squared = _dot(vectors, vectors)[..., None]
    return jnp.where(squared > _TINY, vectors / jnp.sqrt(jnp.maximum(squared, _TINY)), otherwise)


def _dot(left: jax.Array, right: jax.Array) -> jax.Array:
    return (left * right).sum(axis=-1)

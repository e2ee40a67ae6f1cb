"""A head against a scan: from the scan's points to the head's surface, and from the head's vertices to the scan.

Point-to-plane residuals (Chen, Medioni, "Object modelling by registration of multiple range images", Image and Vision
Computing 10(3), 1992) let the surfaces slide, and so converge in far fewer iterations than point-to-point ones; both
are here. Closest points are found anew at every evaluation, inside XLA. Outliers are tamed by the kernel of Geman and
McClure. A pair whose normals disagree counts as an outlier at infinity, a constant, so that no step gains by
unmatching; between matched and not the change is gradual, since a cost that jumps makes good steps look bad.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from flame_jax.flame import Flame
from flame_jax.linearised import Linearised
from flame_jax.model import Array
from flame_jax.nearest_points import NearestIndex, nearest, nearest_index
from flame_jax.normals import incident_faces
from flame_jax.robust import geman_mcclure_slope
from flame_jax.rows import ConstantRows, NormalRows, PointRows, Rows, VertexRows
from flame_jax.scan import Scan

Distance = Literal["plane", "point"]

_FACING = (0.1, 0.5)
"""Cosine between the normals of a pair, from no match to a full one: excludes the other side of lips, lids and ears."""
_ASIDE = (0.5, 1.5)
"""Squared distance aside from the nearest scan point, relative to the squared reach, from a full match to none."""
_MOST_AROUND = 10
"""Triangles looked at around the nearest vertex. FLAME's skin has no more around any; the eyeballs' poles have 34."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ScanToHead:
    """Every scan point near the head's surface. What the scan lacks does no harm: the natural choice for parts."""

    scan: Scan
    """Points with normals."""
    index: NearestIndex
    """Of the model's vertices at rest in the mean head."""
    around: Int[Array, "*batch vertices most"]
    """Triangles around each vertex; a repeated one where there are fewer."""
    share: Float[Array, "*batch points"]
    """How much each scan point counts, 0 to 1."""
    sd: Float[Array, "*batch"] | float
    """Standard deviation of a scan point's distance."""
    robust: Float[Array, "*batch"] | float
    """Scale of the kernel, in standard deviations."""
    distance: Distance = dataclasses.field(default="plane", metadata={"static": True})
    """To the tangent plane of the closest point, or to the closest point itself."""

    @classmethod
    def of(
        cls,
        flame: Flame,
        scan: Scan,
        *,
        sd: float,
        robust: float = 3.0,
        share: Float[np.ndarray, " points"] | None = None,
        distance: Distance = "plane",
    ) -> ScanToHead:
        """Prepare the search on the model's side, on the host."""
        around = incident_faces(np.asarray(flame.faces), flame.v_template.shape[1])[:, :_MOST_AROUND]
        # A vertex without triangles looks at some triangle, which is never the closest.
        first = np.where(around[:, :1] < len(flame.faces), around[:, :1], 0)
        around = np.where(around < len(flame.faces), around, first)
        index = nearest_index(np.asarray(flame.v_template, np.float32).T, even=False)
        ones = np.ones(scan.points.shape[0], np.float32)
        return cls(scan, index, around, ones if share is None else share, sd, robust, distance)

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """One residual for each scan point, or three, and one for all that do not match."""
        points, normals = jnp.asarray(self.scan.points), jnp.asarray(self.scan.normals)
        closest = nearest(self.index, head.vertices, points, _at_rest(head, points))
        corners, b_coords = _on_triangles(head, jnp.asarray(self.around)[closest], points)
        here = _interpolated(b_coords, head.vertices[corners])
        facing = _interpolated(b_coords, head.normals[corners])
        match = _rising(jnp.sum(facing * normals, axis=-1), *_FACING)
        scale = jnp.asarray(self.robust) * loosening
        share = jnp.sqrt(jnp.asarray(self.share, here.dtype) * match)
        unmatched = ConstantRows(scale**2 * (1 - match) * jnp.asarray(self.share))
        if self.distance == "plane":
            value, slope = geman_mcclure_slope(jnp.sum((here - points) * facing, axis=-1) / self.sd, scale)
            rows = NormalRows(share * value, corners, b_coords * (share * slope / self.sd)[:, None])
            return [rows, unmatched]
        vectors, matrix = _robust_vectors((here - points) / self.sd, scale)
        directions = share[:, None, None] * matrix / self.sd
        by_axis = [PointRows(share * vectors[:, axis], corners, b_coords, directions[:, axis]) for axis in range(3)]
        return [*by_axis, unmatched]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class HeadToScan:
    """Every vertex of the head near the scan, where the scan has anything. Half the work of `ScanToHead`."""

    scan: Scan
    """Points with normals."""
    share: Float[Array, "*batch vertices"]
    """How much each vertex counts, 0 to 1."""
    sd: Float[Array, "*batch"] | float
    """Standard deviation of a vertex's distance."""
    robust: Float[Array, "*batch"] | float
    """Scale of the kernel, in standard deviations."""
    reach: Float[Array, "*batch"] | float
    """How far along the scan, in its point spacings, a vertex may lie from its nearest point: beyond, the scan has a
    hole or an end there."""
    distance: Distance = dataclasses.field(default="plane", metadata={"static": True})
    """To the tangent plane of the nearest scan point, or to the point itself."""

    @classmethod
    def of(
        cls,
        flame: Flame,
        scan: Scan,
        *,
        sd: float,
        robust: float = 3.0,
        share: Float[np.ndarray, " vertices"] | None = None,
        reach: float = 2.0,
        distance: Distance = "plane",
    ) -> HeadToScan:
        """All vertices count alike if `share` does not say otherwise."""
        ones = np.ones(flame.v_template.shape[1], np.float32)
        return cls(scan, ones if share is None else share, sd, robust, reach, distance)

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """One residual for each vertex, or three, and one for all that do not match."""
        points, normals = jnp.asarray(self.scan.points), jnp.asarray(self.scan.normals)
        closest = nearest(self.scan.index, points, head.vertices)
        gap, facing = head.vertices - points[closest], normals[closest]
        height = jnp.sum(gap * facing, axis=-1)
        aside = jnp.sum(gap * gap, axis=-1) - height**2
        match = 1 - _rising(aside / (self.reach * loosening * self.scan.spacing) ** 2, *_ASIDE)
        match = match * _rising(jnp.sum(facing * head.normals, axis=-1), *_FACING)
        scale = jnp.asarray(self.robust) * loosening
        share = jnp.sqrt(jnp.asarray(self.share, gap.dtype) * match)
        unmatched = ConstantRows(scale**2 * (1 - match) * jnp.asarray(self.share))
        if self.distance == "plane":
            value, slope = geman_mcclure_slope(height / self.sd, scale)
            return [VertexRows(share * value, (share * slope / self.sd)[:, None] * facing), unmatched]
        vectors, matrix = _robust_vectors(gap / self.sd, scale)
        directions = share[:, None, None] * matrix / self.sd
        by_axis = [VertexRows(share * vectors[:, axis], directions[:, axis]) for axis in range(3)]
        return [*by_axis, unmatched]


def _rising(number: jax.Array, low: float, high: float) -> jax.Array:
    """From 0 to 1, smoothly."""
    t = jnp.clip((number - low) / (high - low), 0, 1)
    return jax.lax.stop_gradient(t * t * (3 - 2 * t))


def _robust_vectors(vectors: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`geman_mcclure` for vectors and its derivative."""
    factor = jax.lax.rsqrt(1 + jnp.sum(vectors * vectors, axis=-1) / scale**2)[:, None]
    outer = vectors[:, :, None] * vectors[:, None, :]
    matrix = factor[:, :, None] * jnp.eye(3, dtype=vectors.dtype)[None] - factor[:, :, None] ** 3 * outer / scale**2
    return vectors * factor, matrix


def _at_rest(head: Linearised, points: jax.Array) -> jax.Array:
    """Points taken back by the root joint's transform: where they would be on the mean head."""
    linear, shift = head.transforms[0, :, :3], head.transforms[0, :, 3]
    return jnp.linalg.solve(linear, (points - shift[None]).T).T


def _on_triangles(head: Linearised, faces: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The corners of the closest of some triangles to each point, and the closest point's barycentric coordinates."""
    corners = jnp.asarray(head.flame.faces)[faces]
    b_coords, squared = jax.vmap(_closest_on_triangle, in_axes=(1, None), out_axes=1)(head.vertices[corners], points)
    best = jnp.argmin(squared, axis=1)[:, None, None]
    chosen = jnp.take_along_axis(corners, best, axis=1)[:, 0]
    return chosen, jax.lax.stop_gradient(jnp.take_along_axis(b_coords, best, axis=1)[:, 0])


def _closest_on_triangle(triangles: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Barycentric coordinates of the closest points of triangles (N, 3, 3), and the squared distances.

    Without branches: the closest of the three sides' closest points, unless the foot on the plane lies inside.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    bb, cc, bc = _dot(ab, ab), _dot(ac, ac), _dot(ab, ac)
    pb, pc = _dot(ap, ab), _dot(ap, ac)
    area = bb * cc - bc * bc
    safe = jnp.where(area > 0, area, 1)
    v, w = (cc * pb - bc * pc) / safe, (bb * pc - bc * pb) / safe
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (area > 0)
    on_ab, on_ac = _share(pb, bb), _share(pc, cc)
    on_bc = _share(pc - pb + bb - bc, bb + cc - 2 * bc)
    zero = jnp.zeros_like(v)
    choices = [(v, w), (on_ab, zero), (zero, on_ac), (1 - on_bc, on_bc)]
    # Squared distance from the quadratic form, so that no further vectors are made.
    costs = [bb * v * v + cc * w * w + 2 * (bc * v * w - pb * v - pc * w) for v, w in choices]
    costs[0] = jnp.where(inside, costs[0], jnp.inf)
    v, w, least = (*choices[0], costs[0])
    for (other_v, other_w), cost in zip(choices[1:], costs[1:], strict=True):
        closer = cost < least
        v, w, least = jnp.where(closer, other_v, v), jnp.where(closer, other_w, w), jnp.minimum(cost, least)
    return jnp.stack([1 - v - w, v, w], axis=-1), least + _dot(ap, ap)


def _share(along: jax.Array, length: jax.Array) -> jax.Array:
    return jnp.clip(along / jnp.where(length > 0, length, 1), 0, 1)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.sum(a * b, axis=-1)


def _interpolated(b_coords: jax.Array, at_corners: jax.Array) -> jax.Array:
    return sum(b_coords[:, corner, None] * at_corners[:, corner] for corner in range(3))  # type: ignore[return-value]

"""What a head can be fitted to, besides scans: each term is a small pytree that gives a vector of residuals.

`fit` takes any list of terms. All lengths are in the model's unit, all residuals in standard deviations, so a term's
`sd` is also its weight. A stage of the fit may loosen robust terms, by a factor on the scale of their kernel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from flame_jax.flame import Flame
from flame_jax.linearised import Linearised
from flame_jax.model import Array
from flame_jax.parameters import GROUPS
from flame_jax.robust import geman_mcclure_slope
from flame_jax.rows import ParameterRows, PointRows, Rows, VertexRows


@runtime_checkable
class Term(Protocol):
    """Something that a head is fitted to."""

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """The residuals at a head; `loosening` multiplies the scale of a robust kernel."""
        ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prior:
    """A Gaussian on one group of parameters."""

    group: str = dataclasses.field(metadata={"static": True})
    """Which, by the names of `Parameters`."""
    mean: Float[Array, "*batch width"]
    """Where it is centred."""
    whitening: Float[Array, "*batch residuals width"]
    """W of the residuals W (x - mean); W^T W is the inverse covariance."""

    @classmethod
    def of(cls, group: str, sd: float | Array, mean: float | Array = 0.0, *, width: int | None = None) -> Prior:
        """Independent standard deviations.

        Args:
            group: Which group of parameters.
            sd: One for all, or one for each.
            mean: The same.
            width: How many parameters the group has, if neither `sd` nor `mean` says.

        Raises:
            ValueError: No such group, or a standard deviation that is not positive.
        """
        if group not in GROUPS:
            raise ValueError(f"no group of parameters is named {group!r}; there are {', '.join(GROUPS)}")
        size = max(np.size(sd), np.size(mean)) if width is None else width
        spread = np.broadcast_to(np.asarray(sd, np.float32), (size,))
        if not (spread > 0).all():
            raise ValueError(f"standard deviations of {group} must be positive")
        return cls(group, np.broadcast_to(np.asarray(mean, np.float32), (size,)), np.diag(1 / spread))

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """One residual for each row of `whitening`."""
        whitening = jnp.asarray(self.whitening)
        away = getattr(head.parameters, self.group) - jnp.asarray(self.mean)
        values = jnp.matmul(whitening, away, precision=jax.lax.Precision.HIGHEST)
        return [ParameterRows(self.group, values, whitening)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Landmarks:
    """Points of the surface at known places: three residuals each."""

    corners: Int[Array, "*batch landmarks 3"]
    """Vertices around each landmark, in the numbering of the `Flame` that is fitted."""
    b_coords: Float[Array, "*batch landmarks 3"]
    """Barycentric coordinates."""
    points: Float[Array, "*batch landmarks 3"]
    """Where the landmarks should be; one that is not finite is left out."""
    sd: Float[Array, "*batch landmarks"]
    """Standard deviation along each axis."""

    @classmethod
    def of(
        cls,
        flame: Flame,
        corners: Int[np.ndarray, "landmarks 3"],
        b_coords: Float[np.ndarray, "landmarks 3"],
        points: Float[np.ndarray, "landmarks 3"],
        sd: float | Float[np.ndarray, " landmarks"],
    ) -> Landmarks:
        """Landmarks by vertices of the whole model, as `LandmarkEmbedding.corners` gives them.

        Raises:
            InputError: `flame` is a part of the model that lacks some of these vertices.
        """
        spread = np.broadcast_to(np.asarray(sd, np.float32), (len(points),))
        return cls(flame.places(corners), b_coords, points, spread)

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """Three residuals for each landmark."""
        corners, weights = jnp.asarray(self.corners), jnp.asarray(self.b_coords)
        wanted = jnp.asarray(self.points)
        known = jnp.isfinite(wanted).all(axis=-1)
        here = jnp.einsum("lc,lcd->ld", weights, head.vertices[corners], precision=jax.lax.Precision.HIGHEST)
        inverse = known / jnp.asarray(self.sd)
        gap = jnp.where(known[:, None], here - wanted, 0) * inverse[:, None]
        directions = inverse[:, None, None] * jnp.eye(3, dtype=here.dtype)[None]
        return [PointRows(gap[:, axis], corners, weights, directions[:, axis]) for axis in range(3)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SignedDistance:
    """Vertices on the zero level of a signed-distance function: no correspondences are needed."""

    function: Callable[..., jax.Array] = dataclasses.field(metadata={"static": True})
    """Takes points (N, 3) and `args`, returns distances (N,). A function of module level, since a new one is compiled
    anew; differentiable by jax."""
    args: tuple[Any, ...]
    """Further arguments, any pytrees, for example a grid or the weights of a network."""
    weights: Float[Array, "*batch vertices"]
    """How much each vertex counts, 0 to 1."""
    sd: Float[Array, "*batch"] | float
    """Standard deviation of the distance."""
    robust: Float[Array, "*batch"] | float
    """Scale of the Geman-McClure kernel, in standard deviations."""

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """One residual for each vertex."""
        distance, pullback = jax.vjp(lambda points: self.function(points, *self.args), head.vertices)
        # A distance depends on its own point alone, so one sum gives the gradients of all.
        (gradient,) = pullback(jnp.ones_like(distance))
        value, slope = geman_mcclure_slope(distance / self.sd, jnp.asarray(self.robust) * loosening)
        share = jnp.sqrt(jnp.asarray(self.weights, value.dtype))
        return [VertexRows(share * value, (share * slope / self.sd)[:, None] * gradient)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TissueDepths:
    """Soft-tissue depths at bone points: how far the skin is along a ray from the bone.

    The classic targets of facial approximation (Claes et al., Forensic Sci. Int. 159(S1), 2006). At every evaluation
    the ray meets the surface anew, so the skin may slide over the bone.
    """

    bone: Float[Array, "*batch landmarks 3"]
    """Points on the bone; one that is not finite is left out."""
    directions: Float[Array, "*batch landmarks 3"]
    """Unit vectors out of the bone."""
    depths: Float[Array, "*batch landmarks"]
    """Wanted length of each ray."""
    sd: Float[Array, "*batch landmarks"]
    """Standard deviation of each depth."""
    reach: Float[Array, "*batch"] | float
    """A ray that meets no surface that faces along it so close to the wanted depth has no residual but a constant."""

    def rows(self, head: Linearised, loosening: jax.Array) -> Sequence[Rows]:
        """One residual for each ray."""
        bone, along = jnp.asarray(self.bone), jnp.asarray(self.directions)
        known = jnp.isfinite(bone).all(axis=-1)
        bone = jnp.where(known[:, None], bone, 0)
        faces = jnp.asarray(head.flame.faces)
        distance, b_coords, across, face = jax.vmap(_nearest_crossing, in_axes=(0, 0, 0, None))(
            bone, along, jnp.asarray(self.depths), head.vertices[faces]
        )
        miss = distance - self.depths
        met = known & (jnp.abs(miss) < self.reach)
        values = jnp.where(met, miss, jnp.where(known, self.reach, 0)) / self.sd
        # n / (n . u): how the length of the ray changes when the triangle moves.
        slope = jnp.where(met, 1 / (jnp.sum(across * along, axis=-1) * self.sd), 0)
        return [PointRows(values, faces[face], b_coords, slope[:, None] * across)]


def _nearest_crossing(
    origin: jax.Array, direction: jax.Array, wanted: jax.Array, triangles: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Where a line leaves the surface, of all such places the one closest to the wanted distance (infinite: none).

    Möller, Trumbore, "Fast, minimum storage ray/triangle intersection", Journal of Graphics Tools 2(1), 1997.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = jnp.cross(b - a, c - a)
    length = jnp.linalg.norm(normal, axis=-1)
    facing = jnp.sum(normal * direction[None, :], axis=-1)
    # Grazing triangles have no depth to speak of.
    leaves = facing > 0.2 * length
    divisor = jnp.where(leaves, facing, 1)
    distance = jnp.sum(normal * (a - origin[None, :]), axis=-1) / divisor
    at = origin[None, :] + distance[:, None] * direction[None, :]
    weight_b = jnp.sum(jnp.cross(a - at, c - at) * -normal, axis=-1)
    weight_c = jnp.sum(jnp.cross(a - at, b - at) * normal, axis=-1)
    square = jnp.where(length > 0, length, 1) ** 2
    weight_b, weight_c = weight_b / square, weight_c / square
    inside = (weight_b >= 0) & (weight_c >= 0) & (weight_b + weight_c <= 1) & leaves
    miss = jnp.where(inside, jnp.abs(distance - wanted), jnp.inf)
    face = jnp.argmin(miss)
    weights = jnp.stack([1 - weight_b[face] - weight_c[face], weight_b[face], weight_c[face]])
    unit = normal[face] / jnp.where(length[face] > 0, length[face], 1)
    return jnp.where(inside[face], distance[face], jnp.inf), weights, unit, face

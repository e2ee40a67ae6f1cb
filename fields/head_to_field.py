"""A head model fitted to a signed-distance field: the coefficients and the place whose surface lies on f = 0.

The field comes as a module-level JAX function and its arguments, any pytrees; both go into `flame_jax.fit`, which is
compiled once for all fields of the same function and shapes. `SampledField` makes such arguments of any field, sampled
on a grid, finely near its surface alone: one program for all, and no network within the solver.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction, sample_band
from fields.trilinear import trilinear
from flame_jax.fitting import fit, stages
from flame_jax.flame import Flame
from flame_jax.least_squares import Outcome
from flame_jax.model import Array
from flame_jax.parameters import Parameters
from flame_jax.residuals import Prior, SignedDistance

SPACING_MM = 3.0
"""Of the samples near the surface; read between them, the distance of the prior's head errs by 0.07 mm on the face on
average, and by 0.29 mm at the 95th percentile."""
_COARSENING = 3
"""Wider by this everywhere else."""
_SDS_MM = (4.0, 1.0)
"""Of a vertex's distance, in two fits one after the other. The first lets the coefficients stay near the mean, or ears
and corners of the mouth slide into others' places and stay there: FLAME on two of five made heads, with 0.55 mm
mean distance instead of 0.31. The second is what a head model leaves of a real head."""
_ROBUST = 6.0
"""Scale of the kernel, in standard deviations: a cut neck or another's ears must not pull."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SampledField:
    """A field on a regular grid. A pytree; equal boxes give equal shapes."""

    values: Float[Array, "x y z"]
    """mm, negative inside."""
    low: Float[Array, "3"]
    """Position of the first sample, mm."""
    spacing: Float[Array, ""]
    """mm."""

    @classmethod
    def of(
        cls,
        distances: DistanceFunction,
        low: Float[np.ndarray, "3"],
        high: Float[np.ndarray, "3"],
        spacing: float = SPACING_MM,
    ) -> SampledField:
        """Sample a field in a box, mm; see `fields.narrow_band` for what is asked: for a head 2 % of a 256³ grid."""
        grid = sample_band(distances, low, high, spacing, _COARSENING)
        return cls(grid.values, grid.origin.astype(np.float32), np.asarray(grid.spacing, np.float32))


def sampled_distance(points: Float[jax.Array, "points 3"], field: SampledField) -> Float[jax.Array, " points"]:
    """Trilinear between the samples; beyond the box that of its nearest point. Traceable."""
    return trilinear(field.values, (points - jnp.asarray(field.low)[None]) / field.spacing)


@dataclasses.dataclass(frozen=True)
class FittedHead:
    """A head model fitted to a field."""

    mesh: Mesh
    """mm, head frame, all vertices and faces of the model."""
    betas: Float[np.ndarray, " identities"]
    """Identity coefficients."""
    sds: Float[np.ndarray, " identities"]
    """Their standard deviations, if the vertices' distances were independent. They are not, so these are too small;
    what they tell is which coefficients the field says something about."""
    parameters: Parameters
    """All of them, turn and move too."""
    mean_mm: float
    """Mean |f| at the vertices that count, by their weights."""
    code: int
    """A `flame_jax.Outcome`."""

    @property
    def converged(self) -> bool:
        """Whether the fit ended where no step gained anything."""
        return self.code == Outcome.CONVERGED


def fit_head_to_field(
    flame: Flame,
    function: Callable[..., jax.Array],
    args: tuple[Any, ...],
    *,
    weights: Float[np.ndarray, " vertices"] | None = None,
    betas: Float[np.ndarray, " some"] | None = None,
) -> FittedHead:
    """Find identity, turn and move of a head model so that its vertices lie on f = 0; expression and joints stay.

    Args:
        flame: In millimetres, its mean placed in the head frame, coefficients ~ N(0, 1).
        function: Of points (N, 3) in mm and `args`, distances (N,) in mm, negative inside, differentiable; of module
            level, for each other function is compiled anew. `sampled_distance` for a `SampledField`.
        args: Arrays or pytrees, which may change without compiling.
        weights: How much each vertex counts, 0 to 1; all the same by default. Give 0 to what is not outer skin.
        betas: Where to begin, the first coefficients; the mean by default.

    Raises:
        ValueError: More coefficients than the model has, or a model in other units.
    """
    if not np.isclose(flame.metres_per_unit, 1e-3):
        raise ValueError(f"head model {flame.name!r} is not in millimetres")
    start = Parameters.neutral(flame)
    count = len(start.betas)
    given = np.zeros(0) if betas is None else betas
    if len(given) > count:
        raise ValueError(f"{len(given)} coefficients for head model {flame.name!r}, which has {count}")
    first = np.pad(np.asarray(given, np.float32), (0, count - len(given)))
    start = dataclasses.replace(start, betas=jnp.asarray(first, start.betas.dtype))
    vertices = flame.v_template.shape[1]
    share = np.ones(vertices, np.float32) if weights is None else np.asarray(weights, np.float32)
    prior = Prior.of("betas", 1.0, width=count)
    steps = stages(flame, expression=False, pose=False)
    parameters = start
    for sd in _SDS_MM:
        # Where a vertex faces another way than the field grows, it is not its part's surface that is nearest.
        facing = share * np.asarray(_reached(flame, function, args, parameters).facing)
        term = SignedDistance(function, args, facing, sd=np.asarray(sd, np.float32), robust=_ROBUST)
        found = fit(flame, [term, prior], parameters, steps)
        parameters = found.parameters
    reached = _reached(flame, function, args, parameters)
    away = np.abs(np.asarray(reached.distance, np.float64))
    return FittedHead(
        mesh=Mesh(np.asarray(reached.vertices, np.float64), np.asarray(flame.faces, np.int32)),
        betas=np.asarray(parameters.betas, np.float64),
        sds=np.asarray(found.sd("betas"), np.float64),
        parameters=parameters,
        mean_mm=float((share * away).sum() / share.sum()),
        code=int(found.code),
    )


class _Reached(NamedTuple):
    """A head in a field."""

    vertices: jax.Array
    distance: jax.Array
    facing: jax.Array
    """How far each vertex faces the way the field grows: 1 the same way, 0 at right angles or more."""


@functools.partial(jax.jit, static_argnames="function")
def _reached(
    flame: Flame, function: Callable[..., jax.Array], args: tuple[Any, ...], parameters: Parameters
) -> _Reached:
    posed = parameters.posed(flame)
    vertices, normals = posed.vertices, posed.normals
    distance, pullback = jax.vjp(lambda points: function(points, *args), vertices)
    (gradient,) = pullback(jnp.ones_like(distance))
    length = jnp.linalg.norm(gradient, axis=-1)
    cosine = jnp.sum(normals * gradient, axis=-1) / jnp.where(length > 0.0, length, 1.0)
    return _Reached(vertices, distance, jnp.maximum(cosine, 0.0))

"""A posed head with its derivatives by the free parameters, from the linear structure of the model.

A vertex is v' = sum_j w_j G_j [v; 1] with v linear in the coefficients, so along a direction n

    n . dv'/dx  =  (sum_j w_j G_j^T n) . dv/dx  +  sum_j w_j n . (dG_j/dx) [v; 1]

The first term is one pass over the components. In the second, dG/dx belongs to a handful of joints; it alone is left to
automatic differentiation. Forward-mode differentiation of all vertices would instead pass over the components once for
every parameter.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from flame_jax.flame import JOINTS, Flame
from flame_jax.normals import vertex_normals
from flame_jax.parameters import Layout, Parameters, bones
from flame_jax.skinning import skinned

_HIGHEST = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class Linearised:
    """A head at one vector of free parameters, without batch dimensions; made and used inside one traced function."""

    flame: Flame
    """The model."""
    layout: Layout
    """The free parameters."""
    parameters: Parameters
    """All parameters."""
    rest: Float[jax.Array, "3 vertices"]
    """Vertices before skinning, as planes."""
    transforms: Float[jax.Array, "joints 3 4"]
    """From rest to posed coordinates."""
    d_transforms: Float[jax.Array, "joints 3 4 free"]
    """Derivatives of the transforms."""
    d_rest: dict[str, Float[jax.Array, "width 3 vertices"]]
    """Derivatives of the vertices before skinning by each group of parameters that has any. Not one array: the
    identity's is the model itself, the same for a whole batch of heads, and must not be copied for each."""

    @classmethod
    def at(cls, flame: Flame, layout: Layout, x: Float[jax.Array, " free"], fixed: Parameters) -> Linearised:
        """Evaluate the model and its derivatives."""
        skeleton = bones(flame)

        def transforms(x: jax.Array) -> jax.Array:
            return layout.parameters(x, fixed).posed(skeleton).transforms

        parameters = layout.parameters(x, fixed)
        posed = parameters.posed(flame)
        dtype, count = posed.rest.dtype, posed.rest.shape[-1]
        d_rest = {}
        for group, part in layout.slices.items():
            if group in ("betas", "expression"):
                dirs = flame.shapedirs if group == "betas" else flame.exprdirs
                d_rest[group] = jnp.asarray(dirs[: part.stop - part.start], dtype).reshape(-1, 3, count)
            elif group in JOINTS[1:] and flame.posedirs.shape[0]:
                d_rest[group] = _corrections(flame, parameters, group)
        d_transforms = jax.jacfwd(transforms)(x)
        return cls(flame, layout, parameters, posed.rest, posed.transforms, d_transforms, d_rest)

    @functools.cached_property
    def planes(self) -> Float[jax.Array, "3 vertices"]:
        """Posed vertices, as planes."""
        return skinned(self.transforms, jnp.asarray(self.flame.lbs_weights), self.rest)

    @functools.cached_property
    def vertices(self) -> Float[jax.Array, "vertices 3"]:
        """Posed vertices."""
        return self.planes.T

    @functools.cached_property
    def normals(self) -> Float[jax.Array, "vertices 3"]:
        """Unit normals at the vertices."""
        return vertex_normals(self.vertices, self.flame.faces)

    @functools.cached_property
    def along_normals(self) -> Float[jax.Array, "vertices free"]:
        """Derivatives of the vertices along their normals."""
        return self.along(self.normals.T).T

    def along(self, directions: Float[jax.Array, "3 vertices"]) -> Float[jax.Array, "free vertices"]:
        """Derivatives of each vertex along a direction of its own."""
        return self._along(jnp.asarray(self.flame.lbs_weights), self.rest, self.d_rest, directions)

    def along_at(
        self, vertices: Int[jax.Array, " points"], directions: Float[jax.Array, "points 3"]
    ) -> Float[jax.Array, "points free"]:
        """The same for a few vertices, each perhaps more than once."""
        weights = jnp.asarray(self.flame.lbs_weights)[:, vertices]
        d_rest = {group: dirs[:, :, vertices] for group, dirs in self.d_rest.items()}
        return self._along(weights, self.rest[:, vertices], d_rest, directions.T).T

    def _along(
        self, weights: jax.Array, rest: jax.Array, d_rest: dict[str, jax.Array], directions: jax.Array
    ) -> jax.Array:
        joints, points = weights.shape
        back = []
        for k in range(3):
            pulled = [weights[joint] * _dot3(self.transforms[joint, :, k], directions) for joint in range(joints)]
            back.append(functools.reduce(jnp.add, pulled))
        by_rest = []
        for group, part in self.layout.slices.items():
            if group in d_rest:
                # Written as a sum, because a matrix product with the vertices as its batch is slow on CPU.
                planes = [back[k][None, :] * d_rest[group][:, k, :] for k in range(3)]
                by_rest.append(planes[0] + planes[1] + planes[2])
            else:
                by_rest.append(jnp.zeros((part.stop - part.start, points), rest.dtype))
        lifted = jnp.concatenate([rest, jnp.ones((1, points), rest.dtype)])
        moments = weights[:, None, None, :] * directions[None, :, None, :] * lifted[None, None, :, :]
        by_joints = jnp.matmul(
            self.d_transforms.reshape(joints * 12, -1).T, moments.reshape(joints * 12, points), precision=_HIGHEST
        )
        return jnp.concatenate(by_rest) + by_joints


def _dot3(a: jax.Array, planes: jax.Array) -> jax.Array:
    return a[0] * planes[0] + a[1] * planes[1] + a[2] * planes[2]


def _corrections(flame: Flame, parameters: Parameters, group: str) -> jax.Array:
    """How the pose correctives change by a joint's turn."""

    def rest(turn: jax.Array) -> jax.Array:
        return dataclasses.replace(parameters, **{group: turn}).posed(flame).rest

    return jnp.moveaxis(jax.jacfwd(rest)(getattr(parameters, group)), -1, 0)

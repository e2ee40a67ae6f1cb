"""The conditional signed-distance field of a face: skull encoder, posterior over the head, and residual field.

    y      = x − D(y)               D: displacement of a head drawn from q(z | skull, fullness)
    f(x)   = T(y − Δ(y, c)) + δ(y, c)

DESIGN.md, "The field". T and D come from the head model (`fields.head_grids`, `fields.head_warp`); before training Δ
and δ are zero, and f is the prior's head.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from fields.face_posterior import FacePosterior
from fields.face_prior import FacePrior
from fields.field_config import FieldConfig
from fields.head_warp import DisplacementGrid, mean_distance, on_nodes, unwarped
from fields.latent import POSE, decoded
from fields.low_rank_gaussian import LowRankGaussian
from fields.residual_field import ResidualField
from fields.skull_encoder import SkullCode
from flame_jax.model import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PlacedHead:
    """A head that warps space. A pytree; mm."""

    displacement: Float[Array, "vertices 3"] | DisplacementGrid
    """Of the mean head's vertices, or already on the grid's nodes."""
    T_skull_model: Float[Array, "4 4"]


class FaceField(nnx.Module):
    """See the module's docstring. All methods act on one skull; `jax.vmap` for many."""

    def __init__(self, config: FieldConfig, coefficients: int, *, rngs: nnx.Rngs):
        self.config = nnx.static(config)
        code = coefficients + POSE
        self.encoder = config.encoder.make(config.anchors, code, rngs=rngs)
        self.posterior = FacePosterior(code, config.rank, config.encoder.global_width, rngs=rngs)
        if config.warp and not config.template:
            raise ValueError("a field without a head to begin with has none to warp")
        residual: ResidualField | None = None
        if config.residual or not config.warp:
            residual = ResidualField(config.field, config.encoder.width, config.encoder.global_width, rngs=rngs)
        # Once: what an attribute is, data or not, is settled when it is first set.
        self.residual = residual

    def encode(self, prior: FacePrior, features: Float[Array, "anchors windows features"]) -> SkullCode:
        """What the anchors saw (`fields.anchor_pooling.pooled`), read."""
        return self.encoder(prior.first, features)

    def infer(self, prior: FacePrior, code: SkullCode, fullness: Float[Array, ""]) -> LowRankGaussian:
        """q(z | skull, fullness), with NaN for an unknown fullness. z is as `fields.latent` says."""
        return self.posterior(prior.first, code, fullness)

    def placed(self, prior: FacePrior, latent: Float[Array, " code"], *, on_grid: bool = False) -> PlacedHead:
        """The head of a latent code; `on_grid` for many queries. Without the warp, the mean head as it lies."""
        displacement, transform = jnp.zeros_like(jnp.asarray(prior.mean)), jnp.eye(4)
        if self.config.warp:
            pose = decoded(latent)
            displacement, transform = prior.displacement(pose), jnp.asarray(pose.T_skull_model)
        return PlacedHead(on_nodes(prior.grids, displacement) if on_grid else displacement, transform)

    def places(
        self, prior: FacePrior, head: PlacedHead, points: Float[Array, "points 3"]
    ) -> Float[jax.Array, "points 3"]:
        """y of points x (mm, the skull's head frame)."""
        turn, shift = jnp.asarray(head.T_skull_model)[:3, :3], jnp.asarray(head.T_skull_model)[:3, 3]
        return unwarped(prior.grids, head.displacement, (points - shift[None]) @ turn)

    def distance(
        self, prior: FacePrior, code: SkullCode, head: PlacedHead, points: Float[Array, "points 3"]
    ) -> Float[jax.Array, " points"]:
        """f at points (mm, the skull's head frame), mm, negative inside."""
        places = self.places(prior, head, points)
        if self.residual is None:
            return mean_distance(prior.grids, places)
        moved, more = self.residual(code, prior.anchors.points, places)
        if not self.config.template:
            return _sphere_distance(prior.mean, places) + more
        return mean_distance(prior.grids, places - moved) + more


def _sphere_distance(mean: Float[Array, "vertices 3"], points: Float[Array, "points 3"]) -> Float[jax.Array, " points"]:
    """Of a sphere as large as the mean head: where a decoder without a head model begins, as in Atzmon and Lipman,
    "SAL: sign agnostic learning of shapes from raw data", CVPR 2020."""
    vertices = jnp.asarray(mean)
    centre = jnp.mean(vertices, axis=0)
    radius = jnp.mean(jnp.linalg.norm(vertices - centre[None], axis=1))
    return jnp.linalg.norm(points - centre[None], axis=1) - radius

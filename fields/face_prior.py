"""The constants of a face field: a head model as modes and grids, and the anchors that look at skulls."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from fields.anchor_pooling import Anchors
from fields.first_estimate import FirstEstimate
from fields.head_grids import HeadGrids
from fields.latent import HeadPose
from flame_jax.model import Array

_SAME_MM = 0.05


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FacePrior:
    """Mean head, modes, grids, anchors and regressions; head frame of the mean skull, mm. A pytree.

    Made by `data.face_prior`.
    """

    mean: Float[Array, "*batch vertices 3"]
    modes: Float[Array, "*batch vertices 3 coefficients"]
    """Of the head model, then the residual ones."""
    open_mouth: Float[Array, "*batch vertices 3"]
    """What an opening of 1 does to the skin."""
    faces: Int[Array, "*batch faces 3"]
    grids: HeadGrids
    anchors: Anchors
    first: FirstEstimate

    def displacement(self, pose: HeadPose) -> Float[jax.Array, "vertices 3"]:
        """Of the mean head's vertices, where the head model puts heads."""
        with jax.default_matmul_precision("highest"):
            return jnp.asarray(self.modes) @ pose.coefficients + pose.opening * jnp.asarray(self.open_mouth)

    def head(self, pose: HeadPose) -> Float[jax.Array, "vertices 3"]:
        """Vertices of a head, in the skull's head frame."""
        transform = jnp.asarray(pose.T_skull_model)
        vertices = jnp.asarray(self.mean) + self.displacement(pose)
        return vertices @ transform[:3, :3].T + transform[None, :3, 3]

    def has_head(self, mean: Float[np.ndarray, "others 3"]) -> bool:
        """Whether this is the mean head: another anatomy prior has another one, and another head frame. On the host."""
        own = np.asarray(self.mean)
        return own.shape == mean.shape and bool(np.abs(own - mean).max() < _SAME_MM)

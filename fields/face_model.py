"""A trained face field, ready to be asked: from skull points to a posterior, and from a latent code to distances."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from fields.anchor_pooling import pooled
from fields.face_field import FaceField, PlacedHead
from fields.face_prior import FacePrior
from fields.field_config import FieldConfig
from fields.jitted_chunks import JittedChunks
from fields.latent import decoded
from fields.low_rank_gaussian import LowRankGaussian
from fields.skull_encoder import SkullCode
from flame_jax.model import Array

CHUNK = 8_192
"""Queries in one call of the field."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Reading:
    """What a model makes of one skull. A pytree."""

    code: SkullCode
    posterior: LowRankGaussian
    """Of the latent code: `fields.latent`."""


@dataclasses.dataclass(frozen=True)
class FaceModel:
    """A field with its parameters and its prior. Programs are compiled once, whatever the skull."""

    config: FieldConfig
    graphdef: Any
    params: Any
    """Of `flax.nnx.split`."""
    prior: FacePrior
    temperature: float = 1.0
    """The posterior's standard deviations are multiplied by it; found on validation heads."""

    @classmethod
    def of(cls, config: FieldConfig, model: FaceField, prior: FacePrior, temperature: float = 1.0) -> FaceModel:
        """From a module."""
        graphdef, params = nnx.split(model)
        return cls(config, graphdef, params, jax.device_put(prior), temperature)

    def folded(self) -> FaceModel:
        """The same model with the encoder's departures from the regressions added to these: half the size in a file."""
        # Copied: a merged model shares its variables with what it was merged from.
        model = nnx.merge(self.graphdef, jax.tree.map(lambda leaf: leaf, self.params))
        first = model.encoder.fold(self.prior.first)
        return FaceModel.of(self.config, model, dataclasses.replace(self.prior, first=first), self.temperature)

    def read(
        self,
        points: Float[np.ndarray, "points 3"],
        normals: Float[np.ndarray, "points 3"],
        valid: Bool[np.ndarray, " points"],
        fullness: float | None = None,
    ) -> Reading:
        """Read a skull.

        Args:
            points: On its surface, in any order, head frame, mm. Another number of points compiles anew, so fill up.
            normals: Unit normals there, out of the bone.
            valid: False where a point is only filling.
            fullness: Standard deviations; None where it is not known.
        """
        told = np.float32(np.nan if fullness is None else fullness)
        reading = _read(self.graphdef, self.params, self.prior, points, normals, valid, told)
        return dataclasses.replace(reading, posterior=reading.posterior.tempered(self.temperature))

    def head(self, latent: Float[Array, " code"]) -> Float[np.ndarray, "vertices 3"]:
        """Vertices of the prior's head for a latent code, head frame, mm: the parametric face."""
        return np.asarray(_head(self.prior, jnp.asarray(latent)), np.float64)

    def distances(
        self, reading: Reading, latent: Float[Array, " code"]
    ) -> Callable[[Float[np.ndarray, "points 3"]], Float[np.ndarray, " points"]]:
        """f for a skull and a latent code: a function of host points (head frame, mm)."""
        head = _on_grid(self.graphdef, self.params, self.prior, jnp.asarray(latent))
        return self._field.of((self.params, self.prior, reading.code, head))

    @functools.cached_property
    def _field(self) -> JittedChunks:
        graphdef = self.graphdef

        def field(parameters: tuple[Any, FacePrior, SkullCode, PlacedHead], points: jax.Array) -> jax.Array:
            params, prior, code, head = parameters
            return nnx.merge(graphdef, params).distance(prior, code, head, points)

        return JittedChunks(field, CHUNK)


@functools.partial(jax.jit, static_argnums=0)
def _read(
    graphdef: Any, params: Any, prior: FacePrior, points: jax.Array, normals: jax.Array, valid: jax.Array, told: Any
) -> Reading:
    model = nnx.merge(graphdef, params)
    code = model.encode(prior, pooled(prior.anchors, points, normals, valid))
    return Reading(code, model.infer(prior, code, told))


@functools.partial(jax.jit, static_argnums=0)
def _on_grid(graphdef: Any, params: Any, prior: FacePrior, latent: jax.Array) -> PlacedHead:
    return nnx.merge(graphdef, params).placed(prior, latent, on_grid=True)


@jax.jit
def _head(prior: FacePrior, latent: jax.Array) -> jax.Array:
    return prior.head(decoded(latent))

"""Training of a face field on the cohort: constants, batches, loss and validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from data.cohort.fresh import FreshSkulls
from fields.face_field import FaceField
from fields.face_model import FaceModel
from fields.face_model_file import write_face_model
from fields.face_prior import FacePrior
from fields.field_config import FieldConfig
from fields.low_rank_gaussian import HALF_90, LowRankGaussian
from flame_jax.model import Array
from train.face_batches import FaceBatch, draw_faces
from train.face_data import FaceData
from train.loss_weights import LossWeights
from train.losses import bone_loss, distance_loss, residual_losses, slope_losses
from train.run_folder import MODEL

_SLOPES = 4
"""One of so many queries is asked for the field's gradient, which costs three times as much."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceConstants:
    """Everything that training a face field needs and does not change. A pytree."""

    prior: FacePrior
    fresh: FreshSkulls
    rows: Float[Array, "rows code"]
    """What a code moves vertices of the face by: `train.losses.code_rows`."""
    validation: FaceBatch
    """Skulls of heads that are not trained on: undamaged ones first, as many damaged ones after."""


@dataclasses.dataclass(frozen=True)
class FaceTask:
    """A `train.task.Task`."""

    config: FieldConfig
    data: FaceData
    weights: LossWeights
    constants: FaceConstants
    out: Path | None = None
    """Folder in which each validation leaves the model as it then is; None for nowhere."""
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What is written into the model's file: credit, configuration."""

    def make_model(self, seed: int) -> FaceField:
        """A field that is the prior's head, where the first estimate puts it."""
        return FaceField(self.config, self.constants.prior.modes.shape[2], rngs=nnx.Rngs(seed))

    def draw_batch(self, constants: FaceConstants, key: jax.Array, size: int) -> FaceBatch:
        """Fresh skulls for cached heads."""
        return draw_faces(
            key,
            constants.fresh,
            constants.prior.anchors,
            size,
            skull_points=self.data.skull_points,
            queries=self.data.queries,
            fullness_known=self.data.fullness_known,
        )

    def loss(
        self, model: FaceField, constants: FaceConstants, batch: FaceBatch, key: jax.Array
    ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        """Weighted sum of the terms of `train.losses`, and each."""
        return face_loss(model, constants.prior, constants.rows, self.weights, batch, key)

    def validate(self, model: FaceField, constants: FaceConstants) -> Mapping[str, float]:
        """Mean distances along the normal, mm, and likelihoods, on heads that are not trained on."""
        told = cohort_figures(model, constants.prior, constants.rows, constants.validation)
        trained = FaceModel.of(self.config, model, constants.prior, told["temperature"])
        leave_model(self.out, trained, {**self.about, "validation": told})
        return told


def leave_model(out: Path | None, trained: FaceModel, about: Mapping[str, Any]) -> None:
    """Write a model into a run's folder, if there is one, in place of the last validation's. One process does."""
    if out is not None and jax.process_index() == 0:
        write_face_model(out / MODEL, trained.folded(), about)


def face_loss(
    model: FaceField, prior: FacePrior, rows: Array, weights: LossWeights, batch: FaceBatch, key: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Weighted sum of the terms of `train.losses` over a batch, and each.

    Args:
        model: To be trained.
        prior: Its constants.
        rows: As in `FaceConstants`.
        weights: Of the terms.
        batch: Where a code is NaN, distances are asked for at one drawn from the posterior.
        key: Of the draws.
    """
    keys = jax.random.split(key, len(batch.fullness))
    terms = jax.vmap(lambda face, key: _terms(model, prior, rows, face, key))(batch, keys)
    terms = {name: jnp.mean(values) for name, values in terms.items()}
    each = dataclasses.asdict(weights)
    return jnp.sum(jnp.stack([each[name] * value for name, value in terms.items()])), terms


def cohort_figures(model: FaceField, prior: FacePrior, rows: Array, seen: FaceBatch) -> dict[str, float]:
    """Means over skulls of the cohort, undamaged ones first, as many damaged ones after; the posterior's temperature.

    Of each half: distance along the normal between the posterior's mean and the truth (mm), likelihood per number of
    the code, coverage of the 90 % interval, and error of the signed distances (mm).
    """
    figures = _validation(nnx.split(model), prior, rows, seen)
    half = len(figures["surface"]) // 2
    told: dict[str, float] = {}
    for name, values in figures.items():
        if name == "ratio":
            continue
        told[f"{name}/undamaged"] = float(jnp.mean(values[:half]))
        told[f"{name}/damaged"] = float(jnp.mean(values[half:]))
    told["temperature"] = float(jnp.quantile(figures["ratio"], 0.9)) / HALF_90
    return told


def _terms(model: FaceField, prior: FacePrior, rows: Array, face: FaceBatch, key: jax.Array) -> dict[str, Any]:
    code = model.encode(prior, face.features)
    posterior = model.infer(prior, code, face.fullness)
    known = jnp.isfinite(face.codes[0])
    codes = jnp.where(known, face.codes, 0.0)
    of_draw, of_directions = jax.random.split(key)
    # The residual is to say what the code cannot. Were the code drawn from the posterior although it is known, the
    # residual would learn to undo the draw, and samples would all be the same face. Of the user's own pairs it is
    # not known, and drawn.
    latent = jnp.where(known, codes, posterior.sample(of_draw))
    head = model.placed(prior, latent)

    def at(points: jax.Array) -> jax.Array:
        return model.distance(prior, code, head, points)

    slanted = jnp.asarray(face.queries)[::_SLOPES]
    values, pullback = jax.vjp(at, slanted)
    (gradients,) = pullback(jnp.ones_like(values))
    eikonal, normal = slope_losses(gradients, face.gradients[::_SLOPES], face.distances[::_SLOPES])
    directions = jax.random.normal(of_directions, slanted.shape)
    directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    roughness, size = residual_losses(model, prior, code, head, slanted, directions)
    return {
        "likelihood": jnp.where(known, -posterior.log_density(codes) / len(codes), 0.0),
        "surface": jnp.where(known, _surface(rows, posterior, codes), 0.0),
        "distance": distance_loss(at(jnp.asarray(face.queries)), face.distances),
        "eikonal": eikonal,
        "normal": normal,
        "bone": bone_loss(at(jnp.asarray(face.bone)), face.bone_valid),
        "roughness": roughness,
        "size": size,
    }


def _surface(rows: Array, posterior: LowRankGaussian, code: Array) -> jax.Array:
    return jnp.mean(jnp.abs(rows @ (posterior.mean - code)))


@jax.jit
def _validation(parts: tuple[Any, Any], prior: FacePrior, rows: Array, seen: FaceBatch) -> dict[str, jax.Array]:
    model = nnx.merge(*parts)

    def one(face: FaceBatch) -> dict[str, jax.Array]:
        code = model.encode(prior, face.features)
        posterior = model.infer(prior, code, face.fullness)
        head = model.placed(prior, face.codes)
        found = model.distance(prior, code, head, face.queries)
        off = rows @ (posterior.mean - face.codes)
        sd = jnp.sqrt(posterior.variance_of(rows))
        return {
            "surface": jnp.mean(jnp.abs(off)),
            "likelihood": -posterior.log_density(face.codes) / len(face.codes),
            "within_90": jnp.mean(jnp.abs(off) < HALF_90 * sd),
            "ratio": jnp.abs(off) / sd,
            "distance": distance_loss(found, face.distances),
        }

    return jax.vmap(one)(seen)

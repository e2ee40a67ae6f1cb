"""Fine-tuning of a trained face field on skull–face pairs, with some of the cohort beside them."""

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
from data.cohort.pose_errors import PoseErrors
from fields.face_field import FaceField
from fields.face_model import FaceModel
from fields.face_prior import FacePrior
from fields.field_config import FieldConfig
from flame_jax.model import Array
from train.face_batches import FaceBatch, draw_faces
from train.face_task import cohort_figures, face_loss, leave_model
from train.loss_weights import LossWeights
from train.losses import distance_loss
from train.pair_batches import PairPools, draw_pairs
from train.pair_data import PairData


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class HeldOutPairs:
    """Pairs that validation looks at. A pytree; mm."""

    faces: FaceBatch
    surface: Float[Array, "*batch points 3"]
    """Points of the true face, in its face region."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PairConstants:
    """Everything that fine-tuning needs and does not change. A pytree."""

    prior: FacePrior
    """The model's own."""
    rows: Float[Array, "rows code"]
    """As in `train.face_task.FaceConstants`."""
    pools: PairPools
    errors: PoseErrors
    held_out: HeldOutPairs
    fresh: FreshSkulls | None
    """The cohort; None without."""
    validation: FaceBatch | None
    """As in `train.face_task.FaceConstants`; None without the cohort."""


@dataclasses.dataclass(frozen=True)
class PairTask:
    """A `train.task.Task`."""

    config: FieldConfig
    data: PairData
    weights: LossWeights
    constants: PairConstants
    temperature: float = 1.0
    """Of the model to begin with; kept without a cohort to tell another."""
    out: Path | None = None
    """Folder in which each validation leaves the model as it then is; None for nowhere."""
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What is written into the model's file: credit, configuration."""

    def make_model(self, seed: int) -> FaceField:
        """A field; the weights of the model to begin with are read into it (`train.initial_weights`)."""
        return FaceField(self.config, self.constants.prior.modes.shape[2], rngs=nnx.Rngs(seed))

    def draw_batch(self, constants: PairConstants, key: jax.Array, size: int) -> FaceBatch:
        """Pairs, then fresh skulls of the cohort."""
        of_pairs, of_cohort = jax.random.split(key)
        known = round(self.data.cohort_share * size) if constants.fresh is not None else 0
        data, parts = self.data, []
        if size - known:
            coefficients = constants.prior.modes.shape[2]
            parts.append(
                draw_pairs(
                    of_pairs,
                    constants.pools,
                    constants.errors,
                    constants.prior.anchors,
                    coefficients,
                    size - known,
                    skull_points=data.skull_points,
                    queries=data.queries,
                    fullness_known=data.fullness_known,
                )
            )
        if constants.fresh is not None and known:
            parts.append(
                draw_faces(
                    of_cohort,
                    constants.fresh,
                    constants.prior.anchors,
                    known,
                    skull_points=data.skull_points,
                    queries=data.queries,
                    fullness_known=data.fullness_known,
                )
            )
        return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *parts)

    def loss(
        self, model: FaceField, constants: PairConstants, batch: FaceBatch, key: jax.Array
    ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        """As in `train.face_task`; of the pairs, distances are asked for at codes drawn from the posterior."""
        return face_loss(model, constants.prior, constants.rows, self.weights, batch, key)

    def validate(self, model: FaceField, constants: PairConstants) -> Mapping[str, float]:
        """Mean distances on pairs that are not trained on, mm, and the cohort's figures."""
        told = pair_figures(model, constants.prior, constants.held_out)
        temperature = self.temperature
        if constants.validation is not None:
            told |= cohort_figures(model, constants.prior, constants.rows, constants.validation)
            temperature = told["temperature"]
        trained = FaceModel.of(self.config, model, constants.prior, temperature)
        leave_model(self.out, trained, {**self.about, "validation": told})
        return told


def pair_figures(model: FaceField, prior: FacePrior, held_out: HeldOutPairs) -> dict[str, float]:
    """Means over pairs, mm, with the head of the posterior's mean: |f| at points of the true face, f there (positive
    where the predicted face lies too deep), and the error of the signed distances."""
    figures = _figures(nnx.split(model), prior, held_out)
    return {f"{name}/pairs": float(jnp.mean(values)) for name, values in figures.items()}


@jax.jit
def _figures(parts: tuple[Any, Any], prior: FacePrior, held_out: HeldOutPairs) -> dict[str, jax.Array]:
    model = nnx.merge(*parts)

    def one(pair: HeldOutPairs) -> dict[str, jax.Array]:
        code = model.encode(prior, pair.faces.features)
        head = model.placed(prior, model.infer(prior, code, pair.faces.fullness).mean)
        found = model.distance(prior, code, head, pair.surface)
        asked = model.distance(prior, code, head, pair.faces.queries)
        return {
            "surface": jnp.mean(jnp.abs(found)),
            "too_deep": jnp.mean(found),
            "distance": distance_loss(asked, pair.faces.distances),
        }

    return jax.lax.map(one, held_out)

"""An experiment that trains a face field on the cohort. Imports nothing heavy: the command line offers it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fields.field_config import FieldConfig
from flame_jax.errors import InputError
from train.config_json import config_json, differing_fields
from train.face_data import FaceData
from train.loss_weights import LossWeights
from train.training import Training

if TYPE_CHECKING:
    from train.face_task import FaceTask


@dataclasses.dataclass(frozen=True)
class FaceExperiment:
    """The whole configuration of a face field's training."""

    training: Training = dataclasses.field(default_factory=Training)
    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    loss: LossWeights = dataclasses.field(default_factory=LossWeights)
    data: FaceData = dataclasses.field(default_factory=FaceData)

    def make_task(
        self, out: Path | None = None, about: Mapping[str, Any] | None = None, init_from: Path | None = None
    ) -> FaceTask:
        """The task, with its cohort.

        Args:
            out: Folder in which validation leaves the model.
            about: What the run is, for the model's file.
            init_from: What the run began with. A model's file has the head and the first estimate that its weights
                depart from, which then take the place of new ones.

        Raises:
            InputError: A file cannot be read.
        """
        from fields.face_model_file import is_face_model, read_face_model
        from train.make_face_task import make_face_task

        init = read_face_model(init_from)[0] if init_from is not None and is_face_model(init_from) else None
        if init is not None and init.config != self.field:
            raise InputError(
                f"{init_from}: has another {_differing(init.config, self.field)} than this experiment; give it the "
                "model's own, or fine-tune the model with s2f train finetune"
            )
        return make_face_task(
            self.field,
            self.data,
            self.loss,
            out=out,
            about=about,
            init=init,
            say=lambda text: print(text, flush=True),
        )


def _differing(one: FieldConfig, other: FieldConfig) -> str:
    return ", ".join(f"field.{name}" for name in differing_fields(config_json(one), config_json(other)))

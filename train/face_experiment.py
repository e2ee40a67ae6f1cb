"""An experiment that trains a face field on the cohort. Imports nothing heavy: the command line offers it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fields.field_config import FieldConfig
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

    def make_task(self, out: Path | None = None, about: Mapping[str, Any] | None = None) -> FaceTask:
        """The task, with its cohort.

        Args:
            out: Folder in which validation leaves the model.
            about: What the run is, for the model's file.

        Raises:
            InputError: A file cannot be read.
        """
        from train.make_face_task import make_face_task

        return make_face_task(
            self.field, self.data, self.loss, out=out, about=about, say=lambda text: print(text, flush=True)
        )

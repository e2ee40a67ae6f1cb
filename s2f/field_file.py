"""A trained face field as the user gives it: a model's file, or the folder of a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.prior import AnatomyPrior
from fields.face_model import FaceModel
from fields.face_model_file import read_face_model
from flame_jax.errors import InputError
from s2f.provenance import sha256_of
from train.run_folder import MODEL

SKULL_POINTS = 2_048
"""Points of a skull in training, for files that do not say."""


@dataclasses.dataclass(frozen=True)
class TrainedField:
    """A model and where it is from."""

    model: FaceModel
    about: Mapping[str, Any]
    """What its file says of it."""
    path: Path
    sha256: str
    """Of the file."""

    @property
    def skull_points(self) -> int:
        """How many points of a skull it was shown at once in training."""
        data = self.about.get("config", {}).get("data", {})
        return int(data.get("skull_points", SKULL_POINTS))

    @property
    def credit(self) -> str:
        """Sources and licences of what it was trained on, one line each."""
        return str(self.about.get("credit", ""))

    def check_goes_with(self, prior: AnatomyPrior) -> None:
        """Raise InputError unless the model was trained with this anatomy prior: another has another head frame."""
        if not self.model.prior.has_head(prior.head.v_template):
            raise InputError(
                f"{self.path}: was trained with another anatomy prior; give the field that goes with --prior to "
                "--checkpoint, or --classic"
            )


def read_field(path: Path) -> TrainedField:
    """Read a field.

    Args:
        path: A file of `fields.face_model_file`, or a run's folder that has one.

    Raises:
        InputError: There is none, or it is damaged.
    """
    file = path / MODEL if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise InputError(
            f"{path}: holds no {MODEL}; give the folder of a training run that has been validated at least once"
        )
    model, about = read_face_model(file)
    return TrainedField(model, about, file, sha256_of(file))

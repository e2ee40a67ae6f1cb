"""What an ablation trains: variants of one experiment. Imports nothing heavy: the command line offers suites."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from fields.field_config import Representation
from train.config_json import config_json
from train.face_experiment import FaceExperiment


@dataclasses.dataclass(frozen=True)
class Variant:
    """One experiment, and what of its model is scored."""

    name: str
    experiment: FaceExperiment
    representations: tuple[Representation, ...]
    """Each is a row of the table."""

    def with_seed(self, seed: int) -> Variant:
        """A repeat: other first parameters, other batches, the same heads."""
        training = dataclasses.replace(self.experiment.training, seed=seed, data_seed=seed + 1)
        return dataclasses.replace(self, experiment=dataclasses.replace(self.experiment, training=training))

    @property
    def digest(self) -> str:
        """SHA-256 of the whole configuration: which run this is."""
        return hashlib.sha256(json.dumps(config_json(self.experiment), sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Suite:
    """A question, and the variants that answer it."""

    question: str
    variants: tuple[Variant, ...]
    """Trained in this order; the last row of the last is what the others are set against."""

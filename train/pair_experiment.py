"""An experiment that fine-tunes a trained field on skull–face pairs. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flame_jax.errors import InputError
from train.loss_weights import LossWeights
from train.pair_data import PairData
from train.training import Training

if TYPE_CHECKING:
    from train.pair_task import PairTask


@dataclasses.dataclass(frozen=True)
class PairExperiment:
    """The whole configuration but for the field's, which is that of the model to begin with."""

    training: Training = dataclasses.field(default_factory=Training)
    loss: LossWeights = dataclasses.field(default_factory=LossWeights)
    data: PairData = dataclasses.field(default_factory=PairData)

    def make_task(
        self, out: Path | None = None, about: Mapping[str, Any] | None = None, init_from: Path | None = None
    ) -> PairTask:
        """The task, with its pairs.

        Args:
            out: Folder in which validation leaves the model.
            about: What the run is, for the model's file.
            init_from: The model's file.

        Raises:
            InputError: There is no model, no folder of pairs, or a file cannot be read.
        """
        if init_from is None:
            raise InputError("no model to fine-tune; give a model's file, or the folder of a run, to --init-from")
        if not self.data.pairs:
            raise InputError("no pairs to fine-tune on; give folders of skull–face pairs to --data.pairs")
        from train.make_pair_task import make_pair_task

        return make_pair_task(
            init_from, self.data, self.loss, out=out, about=about, say=lambda text: print(text, flush=True)
        )

"""The mean head, where the aligner puts the skull: what is gained by looking at the skull at all."""

from __future__ import annotations

import dataclasses

from eval.field.scores import Prediction
from eval.held_out.case import Placed
from fields.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class MeanHead:
    """Always the same head."""

    mesh: Mesh
    """Head frame, mm."""

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The mean head."""
        return Prediction(self.mesh)

"""The field as a method that `eval.field.scores` scores beside others."""

from __future__ import annotations

import dataclasses

from eval.field.scores import Prediction
from eval.held_out.case import Placed
from fields.field_config import Representation
from s2f.field_face import FieldFaces
from s2f.field_file import TrainedField


@dataclasses.dataclass(frozen=True)
class FieldMethod:
    """An `eval.field.scores.Reconstruct`: what `s2f reconstruct` does after the alignment."""

    faces: FieldFaces
    """Several methods may share one: what it compiles serves all."""
    representation: Representation = "hybrid"
    samples: int = 0
    """Drawn for each skull."""

    @classmethod
    def of(cls, field: TrainedField, representation: Representation = "hybrid", samples: int = 0) -> FieldMethod:
        """From a field as it was read."""
        return cls(FieldFaces(field.model, field.skull_points), representation, samples)

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The face of an aligned skull, with its standard deviation at each vertex.

        Raises `InputError` where the field makes no face.
        """
        made = self.faces.face(
            placed.skull, fullness=fullness, representation=self.representation, samples=self.samples
        )
        return Prediction(made.surface.mesh, made.sd_mm, made.samples)

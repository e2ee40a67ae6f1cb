"""The face of the training person whose skull is most alike: what a cohort tells without any model."""

from __future__ import annotations

import dataclasses

import numpy as np

from eval.field.scores import Prediction
from eval.held_out.case import Placed
from eval.regression.skull_registration import SkullRegistration
from fields.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest neighbour by registered points, with the head as it is: not told the fullness, its mouth shut."""

    registration: SkullRegistration

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The head of the person whose points lie nearest in the mean square."""
        skull, people = self.registration(placed), self.registration.people
        person = int(np.argmin(np.square(people.skulls - skull.points).sum(axis=(1, 2))))
        head = Mesh(people.heads[person].astype(np.float64), self.registration.prior.head.faces)
        return Prediction(skull.aligned(head))

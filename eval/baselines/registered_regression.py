"""A regression from a registered skull to a head, as a method."""

from __future__ import annotations

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from eval.field.scores import Prediction
from eval.held_out.case import Placed
from eval.regression.skull_registration import SkullRegistration
from fields.mesh import Mesh


@runtime_checkable
class Regression(Protocol):
    """What was fitted to the skulls' points and the heads of training people."""

    def predict(self, seen: Float[np.ndarray, "others numbers"]) -> Float[np.ndarray, "others results"]:
        """Heads from skulls' points, a row for each person."""


@dataclasses.dataclass(frozen=True)
class RegisteredRegression:
    """It is not told the fullness, and its faces have their mouths shut."""

    registration: SkullRegistration
    regression: Regression

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The head that the skull's points make likely."""
        skull = self.registration(placed)
        found = self.regression.predict(skull.points.reshape(1, -1))
        return Prediction(skull.aligned(Mesh(found.reshape(-1, 3), self.registration.prior.head.faces)))

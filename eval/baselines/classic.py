"""The classic way: a head model fitted to landmarks and table depths, without a network."""

from __future__ import annotations

import dataclasses
import inspect

import data.fittable_head
import data.parametric
from data.fittable_head import FittableHead
from data.pairs.content import digest_of
from data.parametric import fit_head
from data.prior import AnatomyPrior
from eval.field.scores import Prediction
from eval.held_out.case import Placed

PARAMETRIC_COMMIT = "54ae39b1d8a77ffeef7de00b4339219745ebace2"
"""At which the parametric route is frozen."""


@dataclasses.dataclass(frozen=True)
class Parametric:
    """`s2f reconstruct --classic`: a head model fitted to landmarks and depths."""

    prior: AnatomyPrior
    head: FittableHead

    @classmethod
    def of(cls, prior: AnatomyPrior) -> Parametric:
        """With the prior's own head."""
        return cls(prior, FittableHead.of_prior(prior))

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The fitted head. As there, unknown fullness counts as the mean.

        Raises `InputError` when too few landmarks were found.
        """
        return Prediction(fit_head(self.head, placed.alignment, self.prior, fullness or 0.0).mesh)


def parametric_digest() -> str:
    """Of the program of the parametric route, so that a record tells whether it is the frozen one."""
    return digest_of(*(inspect.getsource(module) for module in (data.parametric, data.fittable_head)))

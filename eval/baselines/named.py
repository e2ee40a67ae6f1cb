"""Baselines by the names that commands take."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

from data.prior import AnatomyPrior
from eval.baselines.classic import Parametric
from eval.baselines.mean_head import MeanHead
from eval.baselines.nearest import Nearest
from eval.baselines.pls import train_pls
from eval.baselines.ridge import train_ridge
from eval.field.scores import Reconstruct
from eval.regression.skull_registration import SkullRegistration
from eval.regression.training_people import TrainingPeople
from flame_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Learning:
    """What baselines learn from; drawn and prepared when the first of them asks for it."""

    prior: AnatomyPrior
    """That skulls are aligned with. The people's may have further modes of its head."""
    draw_people: Callable[[], TrainingPeople]
    """Of the training generator."""

    @functools.cached_property
    def people(self) -> TrainingPeople:
        """The people."""
        return self.draw_people()

    @functools.cached_property
    def registration(self) -> SkullRegistration:
        """What compares skulls with theirs."""
        return SkullRegistration.of(self.people, self.prior)


_MAKERS: dict[str, Callable[[Learning], Reconstruct]] = {
    "mean-head": lambda learning: MeanHead(learning.people.mean_head(learning.prior)),
    "classic": lambda learning: Parametric.of(learning.prior),
    "ridge": lambda learning: train_ridge(learning.registration),
    "pls": lambda learning: train_pls(learning.registration),
    "nearest": lambda learning: Nearest(learning.registration),
}
BASELINES = tuple(_MAKERS)
"""Their names."""


def check_baselines(names: Iterable[str]) -> None:
    """Raise `InputError` for a name that is none."""
    for name in names:
        if name not in _MAKERS:
            raise InputError(f"{name} is no baseline; there are {', '.join(BASELINES)}")


def make_baseline(name: str, learning: Learning) -> Reconstruct:
    """A baseline, trained.

    Raises `InputError` for a name that is none, and where the people cannot be read or drawn.
    """
    check_baselines([name])
    return _MAKERS[name](learning)

"""What the baselines of `eval.baselines` learn from: people of the shipped prior and the generator to train with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.baselines.named import Learning

PEOPLE = 2_000
"""That are learned from unless somebody wants another number."""


def baseline_learning(
    kept: Path, say: Callable[[str], None], *, people: int = PEOPLE, residual_modes: int | None = None
) -> Learning:
    """Nothing is drawn or read until a baseline asks for it.

    Args:
        kept: Folder for what takes long, as `s2f bench field` has it; people that are there are not drawn again.
        say: Shows what is being done.
        people: How many are learned from.
        residual_modes: Of their heads; as many as fields have by default if None.
    """
    from data.cohort.variants import TRAIN
    from data.jaw_opening import read_jaw_opening
    from data.prior import read_prior
    from data.residual_modes import with_residual_modes
    from data.shipped import JAW_OPEN, PRIOR
    from eval.baselines.named import Learning
    from eval.regression.training_people import TrainingPeople, training_people
    from fields.field_config import FieldConfig

    plain = read_prior(PRIOR)
    modes = FieldConfig().residual_modes if residual_modes is None else residual_modes

    def draw() -> TrainingPeople:
        prior = with_residual_modes(plain, modes)
        jaw = read_jaw_opening(JAW_OPEN, prior)
        return training_people(prior, TRAIN, jaw, people, kept / "training_people", say)

    return Learning(plain, draw)

"""What an ablation measured: each row a variant in one representation, on two test sets, with seeds as repeats."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from eval.bootstrap import Estimate, mean_over_subjects
from eval.face_errors import FACE
from eval.field.scores import Score

Scores = Mapping[int, Score]
"""By the number of the case."""
UNDAMAGED, DAMAGED = "undamaged", "damaged"


@dataclasses.dataclass(frozen=True)
class Row:
    """One variant in one representation; or a reference, which nothing is trained for."""

    variant: str
    representation: str
    """Empty for a reference."""
    scores: Mapping[str, Sequence[Scores]]
    """By test set: one for each seed."""
    parameters: int = 0
    """Of the network."""
    minutes: Sequence[float | None] = ()
    """That each seed's training took; None where it was interrupted."""

    @property
    def name(self) -> str:
        """As tables and figures have it."""
        return f"{self.variant}: {self.representation}" if self.representation else self.variant

    def repeated(self, other: Row) -> Row:
        """With another row's seeds besides its own."""
        scores = {which: [*own, *other.scores[which]] for which, own in self.scores.items()}
        return dataclasses.replace(self, scores=scores, minutes=[*self.minutes, *other.minutes])

    def errors(self, which: str, numbers: Sequence[int]) -> Float[np.ndarray, "seeds cases"]:
        """Mean error of each case, mm; NaN where there is no score."""
        return np.array(
            [
                [scores[number].errors.mean_mm(FACE) if number in scores else np.nan for number in numbers]
                for scores in self.scores[which]
            ]
        )

    def mean(self, which: str, numbers: Sequence[int]) -> Estimate:
        """Over cases of the mean over seeds, with the interval over cases."""
        return mean_over_subjects(self.errors(which, numbers).mean(axis=0))

    def of_seeds(self, which: str, numbers: Sequence[int]) -> list[Estimate]:
        """The same for each seed alone."""
        return [mean_over_subjects(errors) for errors in self.errors(which, numbers)]


@dataclasses.dataclass(frozen=True)
class AblationStudy:
    """All rows of one suite."""

    suite: str
    question: str
    rows: Sequence[Row]
    """The last is what the others are set against."""
    references: Sequence[Row]
    """Methods without training, on the same cases."""
    numbers: Sequence[int]
    """Of the cases, the same people in both sets."""
    seeds: Sequence[int]

    def against_last(self, row: Row, which: str) -> Estimate:
        """How much more a row's error is than the last row's, mm: paired by case, means over seeds."""
        own, last = (each.errors(which, self.numbers).mean(axis=0) for each in (row, self.rows[-1]))
        return mean_over_subjects(own - last)

"""How a method's error changes with one thing at a time: what is missing of the skull, how it was scanned, how it was
placed, what the method is told, and what the generator of the test set assumes.

Every level has the same numbers of test cases. Harm and placing leave the people as they are; other assumptions of the
generator make other people, of the same random numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.bench.align import FacePoints, is_gross
from eval.field.scores import Reconstruct, Score, score_cases
from eval.held_out.case import HeldOutCase
from eval.held_out.cases import HeldOutSet, make_held_out
from eval.sensitivity.exact_place import exactly_placed
from eval.sensitivity.levels import Level

ExactPose = Callable[[HeldOutCase], Float[np.ndarray, "4 4"]]
"""Rigid: from a case's true head frame to where the aligner should have put its skull."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One level."""

    level: Level
    errors: Mapping[str, Float[np.ndarray, " people"]]
    """By method: mean distance from the true face to the predicted one, mm; NaN where there is none."""
    refused: Sequence[int]
    """Numbers of the cases that the aligner refused."""
    gross: Sequence[int]
    """Of those that it put somewhere else: see `eval.bench.align`."""


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """All levels."""

    numbers: Sequence[int]
    """Of the cases."""
    measured: Sequence[Measured]
    floors: Mapping[str, Float[np.ndarray, " people"]]
    """What regressions with true correspondence leave on the whole skulls in the true frame, by name, mm."""

    def base(self) -> Measured:
        """How everything else was measured."""
        return next(each for each in self.measured if each.level.base)


def measure_levels(
    methods: Mapping[str, Reconstruct],
    levels: Sequence[Level],
    undamaged: HeldOutSet,
    numbers: Sequence[int],
    folder: Path,
    exact_pose: ExactPose,
    points: FacePoints,
    *,
    workers: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> list[Measured]:
    """Measure all levels.

    Args:
        methods: By name.
        levels: What to vary.
        undamaged: The test set that levels differ from.
        numbers: Of the cases.
        folder: For all test sets: see `eval.held_out.cases.make_held_out`.
        exact_pose: For levels that are placed exactly.
        points: Where gross misplacement is told.
        workers: Processes, at most.
        say: Shows what is being done.

    Raises:
        InputError: A file cannot be read, or a case cannot be written.
    """
    found: dict[tuple[str, float | None, str], Measured] = {}
    measured = []
    for level in levels:
        held_out = level.of(undamaged)
        same = (held_out.digest, level.told_off, level.placing)
        if same not in found:
            about = f"{level.kind}, {level.label}"
            cases = make_held_out(held_out, folder, workers=workers, numbers=numbers, say=_prefixed(say, about))
            cases = [_changed(case, level, exact_pose) for case in cases]
            errors = {
                name: mean_errors(
                    score_cases(method, cases, told=level.told_off is not None, say=_prefixed(say, f"{about}: {name}")),
                    numbers,
                )
                for name, method in methods.items()
            }
            refused = [case.number for case in cases if case.placed is None]
            gross = [case.number for case in cases if case.placed and is_gross(case.placed.T_aligned_head, points)]
            found[same] = Measured(level, errors, refused, gross)
        measured.append(dataclasses.replace(found[same], level=level))
    return measured


def mean_errors(scores: Mapping[int, Score], numbers: Sequence[int]) -> Float[np.ndarray, " people"]:
    """Of each case, mm; NaN where there is no score."""
    return np.array([scores[number].errors.mean_mm() if number in scores else np.nan for number in numbers])


def _changed(case: HeldOutCase, level: Level, exact_pose: ExactPose) -> HeldOutCase:
    if level.placing != "automatic":
        case = exactly_placed(case, exact_pose(case), landmarks=level.placing == "landmarks")
    # What a method is told is what the case says.
    return dataclasses.replace(case, fullness=case.fullness + (level.told_off or 0.0))


def _prefixed(say: Callable[[str], None], what: str) -> Callable[[str], None]:
    return lambda text: say(f"{what}: {text}")

"""The field on the held-out test set, beside the linear reference, the mean head and the parametric route.

All methods get the same cases: skulls that our aligner placed, undamaged and damaged. The linear reference alone gets
the undamaged skull in the true head frame, with every point named; errors on damaged skulls are set against it too,
person by person, since both sets are the same people.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from data.pairs.content import digest_of, prior_digest
from data.prior import AnatomyPrior
from eval.baselines.classic import PARAMETRIC_COMMIT, Parametric, parametric_digest
from eval.baselines.mean_head import MeanHead
from eval.bench.align import FacePoints, is_gross
from eval.face_errors import TrueFace, face_errors
from eval.face_uncertainty import Calibration, calibrate
from eval.field.scores import Reconstruct, Score, kept_scores, score_cases
from eval.held_out.case import HeldOutCase
from eval.regression.linear_reference import LinearReference

LINEAR, LINEAR_TOLD, MEAN_TRUE = "linear reference", "linear reference, fullness told", "mean head, true frame"
MEAN, PARAMETRIC = "mean head", "parametric"
TOLD = ", fullness told"
"""Added to a method's name."""

Scores = Mapping[int, Score]
"""By the number of the case."""


@dataclasses.dataclass(frozen=True)
class SetStudy:
    """One test set and how methods did on it."""

    cases: Sequence[HeldOutCase]
    scores: Mapping[str, Scores]
    """By method; the first is the one that is judged."""
    gross: frozenset[int]
    """Numbers of the cases that the aligner put somewhere else: see `eval.bench.align`."""
    calibration: Mapping[str, Calibration]
    """Of the methods that tell their uncertainty."""

    @property
    def refused(self) -> list[int]:
        """Numbers of the cases that the aligner refused."""
        return [case.number for case in self.cases if case.placed is None]


@dataclasses.dataclass(frozen=True)
class FieldStudy:
    """All that was measured."""

    judged: str
    """The method that goals are set for."""
    undamaged: SetStudy
    damaged: SetStudy
    linear: Mapping[str, Scores]
    """On the undamaged people, in the true head frame: the linear reference, the same told the fullness, and the mean
    head."""
    trained_on: int
    """People that the linear reference learned from."""
    penalty: float
    """Of its regression."""
    parametric_commit: str = PARAMETRIC_COMMIT
    parametric_digest: str = dataclasses.field(default_factory=parametric_digest)


def study_field(
    methods: Mapping[str, Reconstruct],
    undamaged: Sequence[HeldOutCase],
    damaged: Sequence[HeldOutCase],
    prior: AnatomyPrior,
    reference: LinearReference,
    baselines: Mapping[str, Reconstruct] | None = None,
    *,
    kept: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FieldStudy:
    """Run methods on the test set.

    Args:
        methods: By name; the first is judged. Each is run told the fullness and not told on undamaged skulls, and not
            told on damaged ones.
        undamaged: Cases without damage …
        damaged: … and the same people with it.
        prior: That skulls are aligned with.
        reference: Trained.
        baselines: Further ones than the mean head and the parametric route, by name; none if None. Not told the
            fullness.
        kept: Folder for scores of the parametric route, which takes long and does not change; none if None.
        say: Shows what is being done.
    """
    mean = MeanHead(reference.mean_head)
    sets = []
    for name, cases in (("undamaged", undamaged), ("damaged", damaged)):
        scores: dict[str, Scores] = {}
        for method, reconstruct in methods.items():
            for told in (False, True) if name == "undamaged" else (False,):
                title = method + TOLD * told
                scores[title] = score_cases(reconstruct, cases, told=told, say=_prefixed(say, f"{title}, {name}"))
        scores[MEAN] = score_cases(mean, cases, say=_prefixed(say, f"{MEAN}, {name}"))
        scores[PARAMETRIC] = _parametric(prior, cases, kept, _prefixed(say, f"{PARAMETRIC}, {name}"))
        for title, baseline in (baselines or {}).items():
            scores[title] = score_cases(baseline, cases, say=_prefixed(say, f"{title}, {name}"))
        sets.append(SetStudy(cases, scores, _gross(cases, prior), _calibrations(scores)))
    return FieldStudy(
        judged=next(iter(methods)),
        undamaged=sets[0],
        damaged=sets[1],
        linear=score_linear(reference, undamaged, say),
        trained_on=len(reference.people),
        penalty=reference.penalty,
    )


def score_linear(
    reference: LinearReference, cases: Sequence[HeldOutCase], say: Callable[[str], None] = lambda text: None
) -> dict[str, dict[int, Score]]:
    """The linear reference on undamaged people, and the mean head, in the true head frame; also of refused skulls."""
    scores: dict[str, dict[int, Score]] = {LINEAR: {}, LINEAR_TOLD: {}, MEAN_TRUE: {}}
    for case in cases:
        say(f"{LINEAR}: case {case.number}")
        truth = TrueFace.of(case.head, case.landmarks)
        for name, predict in (
            (LINEAR, reference.predict),
            (LINEAR_TOLD, functools.partial(reference.predict, fullness=case.fullness)),
            (MEAN_TRUE, reference.mean_head_on),
        ):
            start = time.perf_counter()
            predicted = predict(case.whole_skull)
            seconds = time.perf_counter() - start
            scores[name][case.number] = Score(face_errors(predicted, truth), None, seconds)
    return scores


def _parametric(
    prior: AnatomyPrior, cases: Sequence[HeldOutCase], kept: Path | None, say: Callable[[str], None]
) -> Scores:
    def make() -> Scores:
        return score_cases(Parametric.of(prior), cases, say=say)

    return make() if kept is None else kept_scores(kept / f"{PARAMETRIC}-{_digest(prior, cases)}.json", make)


def _digest(prior: AnatomyPrior, cases: Sequence[HeldOutCase]) -> str:
    skulls = [case.placed.skull.vertices for case in cases if case.placed is not None]
    return digest_of(parametric_digest(), prior_digest(prior), *(np.ascontiguousarray(skull) for skull in skulls))[:16]


def _calibrations(scores: Mapping[str, Scores]) -> dict[str, Calibration]:
    found = {}
    for name, by_case in scores.items():
        heads = [score.normal for score in by_case.values() if score.normal is not None]
        if heads:
            found[name] = calibrate(heads)
    return found


def _gross(cases: Sequence[HeldOutCase], prior: AnatomyPrior) -> frozenset[int]:
    points = FacePoints.of(prior)
    return frozenset(
        case.number for case in cases if case.placed is not None and is_gross(case.placed.T_aligned_head, points)
    )


def _prefixed(say: Callable[[str], None], what: str) -> Callable[[str], None]:
    return lambda text: say(f"{what}: {text}")

"""Runs a method on the held-out test set and scores every case: the one way in which methods are compared."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from data.pairs.content import digest_of
from eval.face_errors import FaceErrors, TrueFace, face_errors
from eval.face_uncertainty import NormalErrors, normal_errors, sd_of_samples
from eval.held_out.case import HeldOutCase, Placed
from eval.metrics import DistanceStatistics, SurfaceErrors
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A face as a method predicts it; aligned head frame, mm."""

    mesh: Mesh
    """The mean, or the only one; it may be open."""
    sd_mm: Float[np.ndarray, " vertices"] | None = None
    """Standard deviation along the normal at each vertex; None without, or where `samples` tell it."""
    samples: Sequence[Mesh] = ()
    """Faces drawn from what is plausible."""

    def spread(self) -> Float[np.ndarray, " vertices"] | None:
        """What is known of the uncertainty at each vertex."""
        if self.sd_mm is None and len(self.samples) > 1:
            return sd_of_samples(self.mesh, self.samples)
        return self.sd_mm


@runtime_checkable
class Reconstruct(Protocol):
    """A method."""

    def __call__(self, placed: Placed, fullness: float | None) -> Prediction:
        """The face of an aligned skull.

        Args:
            placed: `placed.skull` is the skull in the aligned head frame, mm; `placed.alignment` what else was found.
                `placed.T_aligned_head` is the truth and none of a method's business.
            fullness: Of the face, in standard deviations; None if unknown.
        """


@dataclasses.dataclass(frozen=True)
class Score:
    """Of one case."""

    errors: FaceErrors
    normal: NormalErrors | None
    """Where the method tells its uncertainty."""
    seconds: float
    """That the method took."""


def score_cases(
    method: Reconstruct,
    cases: Sequence[HeldOutCase],
    *,
    told: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[int, Score]:
    """Scores by the case's number, of all cases that were placed and that the method did not refuse.

    Args:
        method: To be scored.
        cases: Of the test set.
        told: Whether the method is told the fullness.
        say: Shows what is being done.
    """
    scores: dict[int, Score] = {}
    for case in cases:
        if case.placed is None:
            continue
        say(f"case {case.number} ({len(scores) + 1} of {len(cases)})")
        start = time.perf_counter()
        try:
            predicted = method(case.placed, case.fullness if told else None)
        except InputError as error:
            say(f"case {case.number}: {error}")
            continue
        seconds = time.perf_counter() - start
        truth = true_face(case)
        sd = predicted.spread()
        normal = None if sd is None else normal_errors(predicted.mesh, sd, truth)
        scores[case.number] = Score(face_errors(predicted.mesh, truth), normal, seconds)
    return scores


def true_face(case: HeldOutCase) -> TrueFace:
    """The truth of a case that was placed, where our aligner put it."""
    assert case.placed is not None
    return TrueFace.of(case.head, case.landmarks, case.placed.T_aligned_head)


def cases_digest(cases: Sequence[HeldOutCase]) -> str:
    """SHA-256 of which cases these are, and of the skulls that methods are given."""
    numbers = np.array([case.number for case in cases])
    skulls = [case.placed.skull.vertices for case in cases if case.placed is not None]
    return digest_of(numbers, *(np.ascontiguousarray(skull) for skull in skulls))


def kept_scores(path: Path, make: Callable[[], Mapping[int, Score]]) -> dict[int, Score]:
    """Scores from a file, or made and kept there, for methods that do not change; without what they tell of their
    uncertainty.

    Raises `InputError` when the file cannot be written.
    """
    if not path.is_file():
        plain = {
            number: {"errors": dataclasses.asdict(score.errors), "seconds": score.seconds}
            for number, score in make().items()
        }
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(plain) + "\n", encoding="utf-8")
    read = json.loads(path.read_text(encoding="utf-8"))
    return {int(number): Score(_errors(score["errors"]), None, score["seconds"]) for number, score in read.items()}


def _errors(plain: dict[str, Any]) -> FaceErrors:
    whole = SurfaceErrors(**{way: DistanceStatistics(**values) for way, values in plain["whole"].items()})
    return FaceErrors(whole, {name: DistanceStatistics(**values) for name, values in plain["parts"].items()})

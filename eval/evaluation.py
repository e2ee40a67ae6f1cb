"""Scores a method on subjects, one after the other: what `s2f evaluate` measures.

A method is anything that gives a face for a subject: a trained field, a baseline, or a folder of somebody's meshes.
Its face lies in the subject's head frame (mm) and is scored as it lies, over the face region of the true surface.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from eval.face_errors import TrueFace, face_errors
from eval.face_uncertainty import Calibration, calibrate, normal_errors
from eval.field.scores import Prediction, Score
from eval.landmark_depths import depth_energy, depth_errors
from eval.metrics import SAMPLES
from eval.subject import Subject
from fields.mesh import Mesh
from flame_jax.errors import InputError

KEPT = 200
"""Subjects whose surfaces are kept for figures: the first ones, whatever came of them."""

FAR_MM = 30.0
"""A mean distance that no reconstruction has."""
_FAR = f"more than {FAR_MM:g} mm off: probably not in the skull's frame and unit"


@dataclasses.dataclass(frozen=True)
class TimedPrediction:
    """A method's answer for one subject."""

    prediction: Prediction
    """In the subject's head frame, mm."""
    seconds: float
    """That the method took; NaN where it does not tell."""
    notes: tuple[str, ...] = ()
    """What a reader of the score should know."""


@runtime_checkable
class Method(Protocol):
    """What is scored."""

    def __call__(self, subject: Subject) -> TimedPrediction:
        """The method's face of a subject. Raises `InputError`, which tells why, where there is none."""


@dataclasses.dataclass(frozen=True)
class SubjectSurfaces:
    """What was scored, for figures; the subject's head frame, mm."""

    truth: TrueFace
    predicted: Mesh
    skull: Mesh
    own_skin: bool = False
    """Whether the truth is a real person's own skin, which no picture shows."""


@dataclasses.dataclass(frozen=True)
class SubjectResult:
    """One subject's scores."""

    name: str
    score: Score
    depth_mm: Mapping[str, float]
    """True depth of the skin over each craniometric landmark: `eval.landmark_depths`."""
    depth_error_mm: Mapping[str, float]
    """How much deeper the prediction is there; NaN where it has no skin."""
    energy_mm: float | None
    """Energy score of the samples, as a forecast of those depths; None with fewer than two."""
    masked_area_mm2: float
    notes: tuple[str, ...]
    surfaces: SubjectSurfaces | None
    """Of the first `KEPT` subjects."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A method's scores on all subjects."""

    method: str
    results: Sequence[SubjectResult]
    """Of the subjects that could be scored."""
    unscored: Mapping[str, str]
    """Why the others could not, by name: the aligner refused the skull, or the method has no face."""
    calibration: Calibration | None
    """Of what the method tells of its uncertainty; None where it tells nothing."""
    told: bool
    """Whether the method was told the fullness, where it is known."""
    warnings: tuple[str, ...] = ()
    """To stand on top of every table and figure."""

    @property
    def subjects(self) -> int:
        """How many there were."""
        return len(self.results) + len(self.unscored)


def evaluate(
    name: str,
    method: Method,
    subjects: Sequence[tuple[str, Callable[[], Subject]]],
    *,
    told: bool = False,
    warnings: tuple[str, ...] = (),
    count: int = SAMPLES,
    say: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Score a method.

    Args:
        name: Of the method.
        method: To be scored.
        subjects: Names, and what reads each when its turn comes.
        told: Whether the method is told the fullness, to be said.
        warnings: To stand on top of every table and figure.
        count: Points of each surface.
        say: Shows what is being done.

    Raises:
        InputError: Not one subject could be scored; the first one's reason is told.
    """
    results: list[SubjectResult] = []
    unscored: dict[str, str] = {}
    for number, (subject_name, read) in enumerate(subjects, start=1):
        say(f"{subject_name} ({number} of {len(subjects)})")
        try:
            subject = read()
            results.append(_result(subject, method(subject), count, keep=len(results) < KEPT))
        except InputError as error:
            unscored[subject_name] = str(error)
    if not results:
        reason = next(iter(unscored.values()), "there are no subjects")
        raise InputError(f"{name}: none of {len(unscored)} subjects could be scored; the first: {reason}")
    heads = [result.score.normal for result in results if result.score.normal is not None]
    return Evaluation(name, results, unscored, calibrate(heads) if heads else None, told, warnings)


def _result(subject: Subject, answer: TimedPrediction, count: int, *, keep: bool) -> SubjectResult:
    predicted, truth, rays = answer.prediction, subject.truth, subject.rays
    sd = predicted.spread()
    normal = None if sd is None else normal_errors(predicted.mesh, sd, truth)
    errors = face_errors(predicted.mesh, truth, count)
    far = (_FAR,) if errors.mean_mm() > FAR_MM else ()
    return SubjectResult(
        name=subject.name,
        score=Score(errors, normal, answer.seconds),
        depth_mm=dict(zip(rays.names, rays.depth_mm.tolist(), strict=True)),
        depth_error_mm=dict(zip(rays.names, depth_errors(rays, predicted.mesh).tolist(), strict=True)),
        energy_mm=depth_energy(rays, predicted.samples) if len(predicted.samples) > 1 else None,
        masked_area_mm2=subject.masked_area_mm2,
        notes=(*subject.notes, *answer.notes, *far),
        surfaces=SubjectSurfaces(truth, predicted.mesh, subject.skull, subject.own_skin) if keep else None,
    )

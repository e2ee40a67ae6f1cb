"""A method that works on aligned skulls, as one that is scored on subjects: what `s2f reconstruct` does with a file."""

from __future__ import annotations

import dataclasses
import functools
import time

import numpy as np

from data.align import align_skull
from data.prior import AnatomyPrior
from eval.bench.align import FacePoints, is_gross
from eval.evaluation import TimedPrediction
from eval.field.scores import Prediction, Reconstruct
from eval.held_out.case import Placed
from eval.subject import Subject


@dataclasses.dataclass(frozen=True)
class AlignedMethod:
    """An `eval.evaluation.Method`: the skull is aligned from the pose that its file has, whatever is known of the true
    one, and the face carried from where it was made to the subject's head frame."""

    reconstruct: Reconstruct
    prior: AnatomyPrior
    """That skulls are aligned with."""
    told: bool = False
    """Whether the method is told the fullness, where it is known."""

    def __call__(self, subject: Subject) -> TimedPrediction:
        """The method's face, and the seconds that it took after the alignment.

        Raises `InputError` when the aligner or the method refuses the skull.
        """
        placed = self._placed(subject)
        start = time.perf_counter()
        made = self.reconstruct(placed, subject.fullness if self.told else None)
        seconds = time.perf_counter() - start
        grossly = subject.alignment is None and is_gross(placed.T_aligned_head, self._face_points)
        notes = ("the aligner grossly misplaced the skull; scored as it is",) if grossly else ()
        T_head_aligned = np.linalg.inv(placed.T_aligned_head)
        mesh, samples = (
            made.mesh.transformed(T_head_aligned),
            [each.transformed(T_head_aligned) for each in made.samples],
        )
        return TimedPrediction(Prediction(mesh, made.sd_mm, samples), seconds, notes)

    def _placed(self, subject: Subject) -> Placed:
        if subject.alignment is not None:
            return Placed(np.eye(4), subject.skull, subject.alignment)
        T_scan_head = subject.T_input_mm_head
        alignment = align_skull(subject.skull.transformed(T_scan_head), self.prior, source=subject.name)
        T_aligned_head = alignment.T_head_skull @ T_scan_head
        return Placed(T_aligned_head, subject.skull.transformed(T_aligned_head), alignment)

    @functools.cached_property
    def _face_points(self) -> FacePoints:
        return FacePoints.of(self.prior)

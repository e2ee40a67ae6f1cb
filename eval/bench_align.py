"""`s2f bench align`: how far off our aligner is on damaged skulls whose place is known.

The skulls are those that networks are trained with: people and default damage of the generator to train with, as
meshes, in any pose. What is measured goes into the same generator (`data.cohort.pose_errors`), so its seed here is none
that is trained with. The cases are those of `s2f synthesize` with that seed.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from data.align import align_skull
from data.cleaning import clean
from data.cohort.broken_mesh import broken_mesh
from data.cohort.case import Conditions, Generator, case_key, draw_case
from data.cohort.generator import make_generator
from data.cohort.kinds import kinds_of
from data.cohort.pose_errors import PoseErrors, no_pose_errors
from data.cohort.severities import Severities
from data.cohort.variants import TRAIN
from data.face_region import face_triangles
from data.jaw_opening import read_jaw_opening
from data.prior import AnatomyPrior, read_prior
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError

GROSS_TURN_DEG = 20.0
GROSS_SHIFT_MM = 30.0
"""An error with a larger turn, or with a larger displacement of the centre of the face, is gross: the aligner found
another place and not the right one badly. Gross errors are counted and not kept. From a skull that lies upside down a
network cannot learn where skin is, only to guess what happened, at the cost of all other cases; and what to do about
such a skull is to align it anew."""

_EACH_WORKER = 4
"""Cases that are worth the seconds which another process takes to start."""

_draw_case = jax.jit(draw_case)


@dataclasses.dataclass(frozen=True)
class AlignedCase:
    """What the aligner did with one case."""

    number: int
    kinds: tuple[str, ...]
    """Of harm: names of `data.cohort.severities.Severities`."""
    T_aligned_head: Float[np.ndarray, "4 4"] | None
    """Rigid: from the true head frame to where the aligner puts it, mm. None where it refused the skull."""


@dataclasses.dataclass(frozen=True)
class FacePoints:
    """Points at which an error's displacement is told: on the mean head and skull, head frame, mm."""

    nasion: Float[np.ndarray, "3"]
    menton: Float[np.ndarray, "3"]
    centre: Float[np.ndarray, "3"]
    """Mean of the vertices of the head's face region."""

    @classmethod
    def of(cls, prior: AnatomyPrior) -> FacePoints:
        """Of a prior's means."""
        head, marks = prior.head_mesh(), prior.landmark_points()
        face = np.unique(head.faces[face_triangles(head, marks)])
        return cls(marks["n"], marks["me"], head.vertices[face].mean(axis=0))


@dataclasses.dataclass(frozen=True)
class AlignMeasurement:
    """What is aligned. Cases depend on nothing else but their number."""

    prior: Path
    """Of the anatomy prior."""
    jaw: Path
    """How the prior's mouth opens."""
    seed: int


def measure_aligner(
    measurement: AlignMeasurement,
    numbers: Sequence[int],
    *,
    workers: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[AlignedCase]:
    """Align the cases of some numbers, in their order.

    Args:
        measurement: What is aligned.
        numbers: Which cases.
        workers: Processes, at most; fewer for few cases.
        say: Shows what is being done.

    Raises:
        InputError: A file of `measurement` cannot be read.
    """
    say("making the generator")
    workers = max(1, min(workers, len(numbers) // _EACH_WORKER))
    done: list[AlignedCase] = []

    def finished(case: AlignedCase) -> None:
        done.append(case)
        say(f"aligned {len(done)} of {len(numbers)} skulls")

    if workers == 1:
        bench = _Bench.of(measurement)
        for number in numbers:
            finished(bench.aligned(number))
        return done
    # Started anew and not forked: XLA's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=(measurement,))
    try:
        for future in concurrent.futures.as_completed([pool.submit(_aligned, number) for number in numbers]):
            finished(future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    rank = {number: place for place, number in enumerate(numbers)}
    return sorted(done, key=lambda case: rank[case.number])


def aligner_error(
    T_head_skull: Float[np.ndarray, "4 4"], T_skull_head: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "4 4"]:
    """From the true head frame to where the aligner puts it; the identity if it is right.

    Args:
        T_head_skull: What the aligner found: from the frame of the skull's file to the head frame.
        T_skull_head: The truth: from the head frame to the frame of the skull's file.
    """
    return T_head_skull @ T_skull_head


def turn_deg(error: Float[np.ndarray, "4 4"]) -> float:
    """Angle of the rotation, degrees."""
    return float(np.degrees(Rotation.from_matrix(error[:3, :3]).magnitude()))


def displacement_mm(error: Float[np.ndarray, "4 4"], point: Float[np.ndarray, "3"]) -> float:
    """How far a point of the head frame is moved."""
    return float(np.linalg.norm(transform_points(error, point) - point))


def is_gross(error: Float[np.ndarray, "4 4"], points: FacePoints) -> bool:
    """Whether the aligner found another place: see `GROSS_TURN_DEG`."""
    return turn_deg(error) > GROSS_TURN_DEG or displacement_mm(error, points.centre) > GROSS_SHIFT_MM


def kept_errors(cases: Sequence[AlignedCase], points: FacePoints) -> PoseErrors:
    """The errors that networks are trained with: without skulls that were refused, and without gross ones.

    Raises `InputError` if there is none.
    """
    found = [case.T_aligned_head for case in cases if case.T_aligned_head is not None]
    kept = [error for error in found if not is_gross(error, points)]
    if not kept:
        raise InputError(f"none of {len(cases)} skulls was aligned; give a larger --count")
    rigid = np.stack(kept)
    turns = Rotation.from_matrix(rigid[:, :3, :3]).as_rotvec()
    return PoseErrors(turns.astype(np.float32), rigid[:, :3, 3].astype(np.float32))


@dataclasses.dataclass(frozen=True)
class _Bench:
    """Everything that cases are made and aligned with."""

    prior: AnatomyPrior
    generator: Generator
    conditions: Conditions
    seed: int

    @classmethod
    def of(cls, measurement: AlignMeasurement) -> _Bench:
        prior = read_prior(measurement.prior)
        generator = make_generator(prior, TRAIN, read_jaw_opening(measurement.jaw, prior), no_pose_errors())
        return cls(prior, generator, Conditions.of(Severities.all(1.0)), measurement.seed)

    def scan(self, number: int) -> tuple[Mesh, tuple[str, ...], Float[np.ndarray, "4 4"]]:
        """A case as a file shows it (mm), the kinds of its harm, and the transform from the head frame to the file."""
        case = _draw_case(case_key(self.seed, number), self.generator, self.conditions)
        body, harm = case.body, case.harm
        mesh = broken_mesh(
            harm, self.generator.skeleton, self.generator.samples, body.skeleton, np.asarray(body.T_open_closed)
        )
        T_scan_head = np.asarray(harm.T_scan_head, np.float64)
        return mesh.transformed(T_scan_head), kinds_of(harm, case.person.opening), T_scan_head

    def aligned(self, number: int) -> AlignedCase:
        mesh, kinds, T_scan_head = self.scan(number)
        if not len(mesh.faces):
            return AlignedCase(number, kinds, None)
        try:
            # As in s2f reconstruct: cleaned first.
            alignment = align_skull(clean(mesh), self.prior, source=f"case {number}")
        except InputError:
            return AlignedCase(number, kinds, None)
        return AlignedCase(number, kinds, aligner_error(alignment.T_head_skull, T_scan_head))


_bench: _Bench | None = None
"""Of a worker process."""


def _prepare(measurement: AlignMeasurement) -> None:
    global _bench
    _bench = _Bench.of(measurement)


def _aligned(number: int) -> AlignedCase:
    assert _bench is not None
    return _bench.aligned(number)

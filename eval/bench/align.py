"""`s2f bench align`: how far off our aligner is on damaged skulls whose place is known.

The skulls are those that networks are trained with: people and default damage of the generator to train with, as
meshes, in any pose. What is measured goes into the same generator (`data.cohort.pose_errors`), so its seed here is none
that is trained with. The cases are those of `s2f synthesize` with that seed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from data.align import align_skull
from data.cleaning import clean
from data.cohort.case import Conditions
from data.cohort.generator import make_generator
from data.cohort.kinds import kinds_of
from data.cohort.pair_files import PairMaker
from data.cohort.pose_errors import PoseErrors, no_pose_errors
from data.cohort.severities import Severities
from data.cohort.variants import TRAIN
from data.face_region import face_triangles
from data.in_processes import in_processes
from data.jaw_opening import read_jaw_opening
from data.prior import AnatomyPrior, read_prior
from fields.mesh import transform_points
from flame_jax.errors import InputError

GROSS_TURN_DEG = 20.0
GROSS_SHIFT_MM = 30.0
"""An error with a larger turn, or with a larger displacement of the centre of the face, is gross: the aligner found
another place and not the right one badly. Gross errors are counted and not kept. From a skull that lies upside down a
network cannot learn where skin is, only to guess what happened, at the cost of all other cases; and what to do about
such a skull is to align it anew."""

_EACH_WORKER = 4
"""Cases that are worth the seconds which another process takes to start."""


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
    done: dict[int, AlignedCase] = {}

    def finished(case: AlignedCase) -> None:
        done[case.number] = case
        say(f"aligned {len(done)} of {len(numbers)} skulls")

    in_processes(
        functools.partial(_aligner, measurement), numbers, workers=workers, worth=_EACH_WORKER, finished=finished
    )
    return [done[number] for number in numbers]


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


def _aligner(measurement: AlignMeasurement) -> Callable[[int], AlignedCase]:
    prior = read_prior(measurement.prior)
    generator = make_generator(prior, TRAIN, read_jaw_opening(measurement.jaw, prior), no_pose_errors())
    conditions = Conditions.of(Severities.all(1.0))
    return functools.partial(_aligned, PairMaker(prior, TRAIN, generator, conditions, measurement.seed))


def _aligned(maker: PairMaker, number: int) -> AlignedCase:
    case = maker.case(number)
    T_scan_head = np.asarray(case.harm.T_scan_head, np.float64)
    mesh, kinds = maker.skull(case), kinds_of(case.harm, case.person.opening)
    if not len(mesh.faces):
        return AlignedCase(number, kinds, None)
    try:
        # As in s2f reconstruct: cleaned first.
        alignment = align_skull(clean(mesh.transformed(T_scan_head)), maker.prior, source=f"case {number}")
    except InputError:
        return AlignedCase(number, kinds, None)
    return AlignedCase(number, kinds, aligner_error(alignment.T_head_skull, T_scan_head))

"""The held-out test set: heads of another head model through the test generator, their skulls placed by our aligner.

Nothing in it was trained with: not the head model, nor the generator's assumptions, nor the seed. Each skull is treated
as `s2f reconstruct` treats a file: in any pose, cleaned, aligned with the prior that reconstructs. The truth stays in
the frame of its own skull, so a prediction is scored as it lies: no face is ever aligned to another.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data.align import align_skull
from data.cleaning import clean
from data.cohort.case import Conditions
from data.cohort.generator import make_generator
from data.cohort.kinds import kinds_of
from data.cohort.pair_files import PairMaker, case_name
from data.cohort.pose_errors import no_pose_errors
from data.cohort.severities import Severities
from data.cohort.variants import TEST, Variant
from data.in_processes import in_processes
from data.jaw_opening import read_jaw_opening
from data.pairs.content import digest_of, file_digest
from data.prior import AnatomyPrior, read_prior
from eval.held_out.case import HeldOutCase, Placed
from eval.held_out.exact_harm import NO_HARM, ExactHarm
from eval.held_out.files import read_case, write_case
from fields.mesh import Mesh
from flame_jax.errors import InputError

PEOPLE = 100
SEED = 2_000_003
"""Of the test people. No other program's: `s2f synthesize` counts from 0, `s2f bench align` has 1,000,003."""
_VERSION = 1
"""Counts changes of the program after which cases that were kept are no longer what it makes."""
_EACH_WORKER = 4
"""Cases that are worth the seconds which another process takes to start."""

UNDAMAGED = Severities.all(0.0).with_kinds({"pose": 1.0})
"""A whole skull with a shut jaw, lying anyhow, so that it has to be aligned."""
DAMAGED = Severities.all(1.0)
"""The default mixture."""


@dataclasses.dataclass(frozen=True)
class HeldOutSet:
    """What a test set is made of. Cases depend on nothing else but their number."""

    prior: Path
    """The anatomy prior that skulls are aligned with."""
    test_prior: Path
    """The anatomy prior that people are drawn from."""
    test_jaw: Path
    """How the latter's mouth opens."""
    severities: Severities
    people: int = PEOPLE
    seed: int = SEED
    variant: Variant = TEST
    """The generator's assumptions."""
    exact: ExactHarm = NO_HARM
    """What happens to every skull besides."""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of what a case follows from; not of how many there are. Raises `InputError` when a file cannot be
        read."""
        generator = self.variant.as_dict()
        settings = [generator, dataclasses.asdict(self.severities), self.seed, _VERSION]
        if self.exact != NO_HARM:
            settings.append(dataclasses.asdict(self.exact))
        files = (file_digest(path) for path in (self.prior, self.test_prior, self.test_jaw))
        return digest_of(*files, json.dumps(settings, sort_keys=True))


def make_held_out(
    held_out: HeldOutSet,
    folder: Path,
    *,
    workers: int = 1,
    numbers: Sequence[int] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[HeldOutCase]:
    """The cases of a test set, in order; those that `folder` has already are read and the others made and kept there.

    Args:
        held_out: What the set is made of.
        folder: For all sets; each has a folder of its own in it, named by its digest.
        workers: Processes, at most.
        numbers: Of the cases; all if None.
        say: Shows what is being done.

    Raises:
        InputError: A file of `held_out` cannot be read, or a case cannot be written.
    """
    numbers = range(held_out.people) if numbers is None else numbers
    own = folder / held_out.digest[:16]
    missing = [number for number in numbers if not case_path(own, number).is_file()]
    done = len(numbers) - len(missing)

    def finished(_: None) -> None:
        nonlocal done
        done += 1
        say(f"test skull {done} of {len(numbers)}")

    in_processes(
        functools.partial(_case_writer, held_out, own), missing, workers=workers, worth=_EACH_WORKER, finished=finished
    )
    prior, test_prior = read_prior(held_out.prior), read_prior(held_out.test_prior)
    return [read_case(case_path(own, number), prior, test_prior) for number in numbers]


def case_path(folder: Path, number: int) -> Path:
    """Where a set's own folder has a case."""
    return folder / f"{case_name(number)}.npz"


def make_case(maker: PairMaker, prior: AnatomyPrior, number: int, exact: ExactHarm = NO_HARM) -> HeldOutCase:
    """Draw a case, clean its skull and align it.

    Args:
        maker: Of the cases, with the prior that people are drawn from.
        prior: That skulls are aligned with.
        number: Of the case.
        exact: What happens to the skull besides what is drawn.
    """
    case = maker.case(number)
    body = case.body
    case = dataclasses.replace(case, harm=exact.on(case.harm, maker.generator.skeleton, body.skeleton))
    T_scan_head = np.asarray(case.harm.T_scan_head, np.float64)
    own = len(maker.prior.skull.vertices)
    placed, refusal = _placed(maker.skull(case).transformed(T_scan_head), T_scan_head, prior, number)
    return HeldOutCase(
        number=number,
        kinds=kinds_of(case.harm, case.person.opening),
        fullness=float(case.person.fullness),
        opening=float(case.person.opening),
        head=Mesh(np.asarray(body.head, np.float64), maker.prior.head.faces),
        whole_skull=Mesh(np.asarray(body.skeleton, np.float64)[:own], maker.prior.skull.faces),
        landmarks=maker.landmarks(case),
        placed=placed,
        refusal=refusal,
    )


def _placed(
    scan: Mesh, T_scan_head: np.ndarray, prior: AnatomyPrior, number: int
) -> tuple[Placed, str] | tuple[None, str]:
    if not len(scan.faces):
        return None, "nothing is left of the skull"
    skull = clean(scan)
    try:
        alignment = align_skull(skull, prior, source=f"case {number}")
    except InputError as error:
        return None, str(error)
    T_head_scan = alignment.T_head_skull
    return Placed(T_head_scan @ T_scan_head, skull.transformed(T_head_scan), alignment), ""


def _case_writer(held_out: HeldOutSet, folder: Path) -> Callable[[int], None]:
    prior, test_prior = read_prior(held_out.prior), read_prior(held_out.test_prior)
    # Our aligner's own errors take the place of drawn ones.
    variant, jaw = held_out.variant, read_jaw_opening(held_out.test_jaw, test_prior)
    generator = make_generator(test_prior, variant, jaw, no_pose_errors())
    maker = PairMaker(test_prior, variant, generator, Conditions.of(held_out.severities), held_out.seed)

    def write(number: int) -> None:
        write_case(case_path(folder, number), make_case(maker, prior, number, held_out.exact))

    return write

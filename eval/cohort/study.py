"""All that is measured on a generator's people, in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from data.align import Alignment
from data.cohort.generator import make_anatomy
from data.cohort.skeleton import make_skeleton
from data.cohort.variants import Variant
from data.jaw_opening import JawOpening
from data.prior import AnatomyPrior
from eval.cohort.bones import Bones, asymmetry_mm, measure_bones
from eval.cohort.inversion import Inversion, invert
from eval.cohort.left_out import measure_left_out
from eval.cohort.people import draw_people
from eval.cohort.scan_depths import ScanDepth, scan_depths
from eval.cohort.thickness import Thickness, measure_thickness
from fields.mesh import Mesh

TRAINING_SEED, TEST_SEED = 1, 2
"""Of the people studied."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many people, and landmarks to leave out."""

    train: int
    """For the regression and for depths."""
    test: int
    """For the regression and for bone outside the skin."""
    left_out: int
    """For each landmark that is left out."""
    landmarks: int | None
    """To leave out one at a time; all if None."""


FULL, QUICK = Counts(2000, 300, 30, None), Counts(40, 20, 20, 1)


@dataclasses.dataclass(frozen=True)
class AnatomyStudy:
    """What was measured."""

    generator: str
    inversion: Inversion
    bones: Bones
    """Of those tested with; asymmetry of those trained with, who are more."""
    thickness: Sequence[Thickness]
    left_out: Sequence[Thickness]
    """Each measured on skulls that it does not drive."""
    scan: Sequence[ScanDepth]


def study_anatomy(
    prior: AnatomyPrior,
    variant: Variant,
    jaw: JawOpening,
    counts: Counts,
    scan: tuple[Alignment, Mesh] | None,
    say: Callable[[str], None] = lambda text: None,
) -> AnatomyStudy:
    """Draw people and measure them; with the alignment and the skin of a scan (its frame, mm), that too."""
    skeleton = make_skeleton(prior)
    anatomy = make_anatomy(prior, variant, skeleton, jaw)
    say("drawing people")
    train, test = (
        draw_people(prior, anatomy, count, seed=seed)
        for count, seed in ((counts.train, TRAINING_SEED), (counts.test, TEST_SEED))
    )
    thickness = measure_thickness(train, variant, variant.loading, say)
    driving = [landmark for landmark in variant.loading if landmark not in variant.left_out]
    return AnatomyStudy(
        generator=variant.name,
        inversion=invert(train, test, say),
        bones=dataclasses.replace(measure_bones(test, say), asymmetry_mm=asymmetry_mm(train)),
        thickness=thickness,
        left_out=measure_left_out(
            prior,
            variant,
            skeleton,
            jaw,
            driving[: counts.landmarks],
            people=counts.left_out,
            seed=TRAINING_SEED,
            say=say,
        ),
        scan=() if scan is None else _scanned(*scan, thickness),
    )


def _scanned(alignment: Alignment, skin: Mesh, cohort: Sequence[Thickness]) -> list[ScanDepth]:
    return scan_depths(alignment.landmarks, alignment.directions, skin.transformed(alignment.T_head_skull), cohort)

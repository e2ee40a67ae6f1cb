"""How thick a cohort's soft tissue is at a landmark that does not drive the skulls: whether the warp interpolates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from data.cohort.generator import make_anatomy
from data.cohort.skeleton import Skeleton
from data.cohort.variants import Variant
from data.jaw_opening import JawOpening
from data.landmarks import BY_ABBREVIATION
from data.prior import AnatomyPrior
from eval.cohort.people import draw_people
from eval.cohort.thickness import Thickness, measure_thickness


def measure_left_out(
    prior: AnatomyPrior,
    variant: Variant,
    skeleton: Skeleton,
    jaw: JawOpening,
    landmarks: Sequence[str],
    *,
    people: int,
    seed: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[Thickness]:
    """Leave out the control of one landmark at a time, on both sides, and measure there.

    Args:
        prior: Head model, skull and depth table.
        variant: What is assumed besides.
        skeleton: Of the prior's skull.
        jaw: How the prior's mouth opens.
        landmarks: Abbreviations, of those that drive the skulls.
        people: To be drawn for each landmark.
        seed: Of the people.
        say: Shows what is being done.
    """
    result = []
    for landmark in landmarks:
        say(f"without {landmark}")
        anatomy = make_anatomy(prior, variant, skeleton, jaw, without=BY_ABBREVIATION[landmark].points())
        drawn = draw_people(prior, anatomy, people, seed=seed)
        found = measure_thickness(drawn, variant, (landmark,))
        result += [dataclasses.replace(one, drives=False) for one in found]
    return result

"""The held-out test set of the shipped priors, as the benches take it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.cohort.severities import Severities
    from eval.held_out.case import HeldOutCase
    from eval.held_out.cases import HeldOutSet


def shipped_set(severities: Severities) -> HeldOutSet:
    """Of the shipped priors: people of one, skulls aligned with the other."""
    from data.shipped import JAW_OPEN_ICT, PRIOR, PRIOR_ICT
    from eval.held_out.cases import HeldOutSet

    return HeldOutSet(PRIOR, PRIOR_ICT, JAW_OPEN_ICT, severities)


def shipped_cases(severities: Severities, people: int, kept: Path, say: Callable[[str], None]) -> list[HeldOutCase]:
    """Its first cases, from the folder that benches keep things in, or made and kept there on all cores.

    Raises `InputError` where a file cannot be read or written.
    """
    from data.cores import cores
    from eval.held_out.cases import make_held_out

    numbers = range(people)
    return make_held_out(shipped_set(severities), sets_folder(kept), workers=cores(), numbers=numbers, say=say)


def sets_folder(kept: Path) -> Path:
    """The folder of all test sets in that which benches keep things in."""
    return kept / "test_set"

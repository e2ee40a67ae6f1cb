"""One case of the held-out test set: the truth, and the skull that a method is given.

Frames (mm): "true head" is the head frame of the undamaged skull, in which the generator draws; "aligned head" is where
our aligner puts the case, in which methods work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data.align import Alignment
from data.cohort.severities import Severities
from fields.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class Placed:
    """A skull as our aligner placed it."""

    T_aligned_head: Float[np.ndarray, "4 4"]
    """Rigid: from the true head frame to the aligned one; the identity if the aligner is right."""
    skull: Mesh
    """Cleaned; aligned head frame, mm."""
    alignment: Alignment
    """All that the aligner found."""


@dataclasses.dataclass(frozen=True)
class HeldOutCase:
    """One case: the truth, and what a method is given."""

    number: int
    kinds: tuple[str, ...]
    """What happened to the skull: names of `data.cohort.severities.Severities`."""
    fullness: float
    """Of the face, in standard deviations."""
    opening: float
    """Of the jaw, 0 (shut) to 1."""
    head: Mesh
    """The closed true head; true head frame, mm."""
    whole_skull: Mesh
    """The undamaged skull with its jaw shut, of the test prior's topology; true head frame, mm."""
    landmarks: dict[str, Float[np.ndarray, "3"]]
    """Of the undamaged skull, the lower jaw's where the jaw stands; true head frame, mm."""
    placed: Placed | None
    """None where the skull was refused."""
    refusal: str
    """Why; empty where it was not."""


def of_kind(cases: Sequence[HeldOutCase]) -> Mapping[str, list[HeldOutCase]]:
    """The cases that each kind of damage happened to, in the order of `Severities`; a case is with all of its kinds."""
    names = [field.name for field in dataclasses.fields(Severities)]
    found = {name: [case for case in cases if name in case.kinds] for name in names}
    return {name: those for name, those in found.items() if those}

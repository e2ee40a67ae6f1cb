"""A sheet of cases of the held-out test set, each with what a method made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.evaluation import SubjectSurfaces
from eval.field.scores import Prediction, true_face
from eval.held_out.case import HeldOutCase
from s2f.case_sheet import case_sheet


def field_sheet(
    path: Path | str, cases: Sequence[tuple[HeldOutCase, Prediction]], *, caption: str, credit: str
) -> None:
    """Write a `case_sheet` of cases that were placed (aligned head frame, mm), named by number and damage."""
    case_sheet(path, [(_name(case), _surfaces(case, made)) for case, made in cases], caption=caption, credit=credit)


def _surfaces(case: HeldOutCase, predicted: Prediction) -> SubjectSurfaces:
    assert case.placed is not None
    return SubjectSurfaces(true_face(case), predicted.mesh, case.placed.skull)


def _name(case: HeldOutCase) -> str:
    kinds = [kind.replace("_", " ") for kind in case.kinds if kind != "pose"]
    return f"case {case.number}: {', '.join(kinds) or 'undamaged'}"

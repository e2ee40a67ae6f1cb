"""What a study of sensitivity says: a table for each method, plain data to keep, and panels to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.bootstrap import mean_over_subjects
from eval.field.report import Cell, Table
from eval.plots.sensitivity_lines import Panel
from eval.sensitivity.study import Measured, Sensitivity


def sensitivity_tables(study: Sensitivity) -> list[Table]:
    """One for each method, and what regressions leave."""
    floors: list[tuple[Cell, ...]] = [
        (name, int(np.isfinite(errors).sum()), mean_over_subjects(errors)) for name, errors in study.floors.items()
    ]
    return [
        *(_table(study, method) for method in study.base().errors),
        Table("Whole skulls in the true frame, every point known by name", ("method", "cases", "mean"), tuple(floors)),
    ]


def sensitivity_markdown(study: Sensitivity) -> str:
    """All tables, and what they rest on."""
    about = (
        f"Errors in mm from the true face to the prediction, in the skull's frame, on the same {len(study.numbers)} "
        "test cases at each level; everything else undamaged, placed by the aligner, fullness not told. In brackets "
        "95 % bootstrap intervals over cases; 'more' is the paired difference from the test set as it is. Skulls that "
        "the aligner refuses have no error; grossly misplaced ones are scored as they are, which the median does not "
        "show. Other κ and other depth tables make other people of the same random numbers."
    )
    return "\n\n".join([about, *(table.markdown() for table in sensitivity_tables(study))]) + "\n"


def sensitivity_dict(study: Sensitivity) -> dict[str, Any]:
    """The same for a JSON file, with every case's error."""
    return {
        "cases": list(study.numbers),
        "tables": [table.as_dict() for table in sensitivity_tables(study)],
        "levels": [
            {
                "kind": each.level.kind,
                "level": each.level.label,
                "mean_mm": {method: _plain(errors) for method, errors in each.errors.items()},
                "refused": list(each.refused),
                "gross": list(each.gross),
            }
            for each in study.measured
        ],
        "floors_mean_mm": {name: _plain(errors) for name, errors in study.floors.items()},
    }


def sensitivity_panels(study: Sensitivity) -> list[Panel]:
    """A panel for each thing that is varied; levels that are all numbers are drawn as such."""
    panels = []
    for kind in dict.fromkeys(each.level.kind for each in study.measured):
        group = [each for each in study.measured if each.level.kind == kind]
        panels.append(
            Panel(
                title="",
                x_label=kind,
                levels=_axis([each.level.label for each in group]),
                lines={
                    method: [mean_over_subjects(each.errors[method]) for each in group] for method in group[0].errors
                },
            )
        )
    return panels


def _table(study: Sensitivity, method: str) -> Table:
    base = study.base().errors[method]
    rows = tuple(_row(each, method, base) for each in study.measured)
    columns = ("varied", "level", "cases", "mean", "median", "more", "refused", "gross")
    return Table(f"{method}: one thing at a time", columns, rows)


def _row(each: Measured, method: str, base: np.ndarray) -> tuple[Cell, ...]:
    errors = each.errors[method]
    return (
        each.level.kind,
        each.level.label,
        int(np.isfinite(errors).sum()),
        mean_over_subjects(errors),
        float(np.nanmedian(errors)) if np.isfinite(errors).any() else float("nan"),
        "–" if each.level.base else mean_over_subjects(errors - base),
        len(each.refused),
        len(each.gross),
    )


def _axis(labels: Sequence[str]) -> Sequence[float] | Sequence[str]:
    try:
        return [float(label) for label in labels]
    except ValueError:
        return labels


def _plain(errors: np.ndarray) -> list[float | None]:
    return [float(error) if np.isfinite(error) else None for error in errors]

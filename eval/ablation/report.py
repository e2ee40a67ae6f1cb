"""What an ablation says: one table as Markdown, and plain data with every case's error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.ablation.study import DAMAGED, UNDAMAGED, AblationStudy, Row
from eval.bootstrap import Estimate
from eval.field.report import Cell, Table

_SETS = (UNDAMAGED, DAMAGED)


def ablation_table(study: AblationStudy) -> Table:
    """A row per variant and representation, then the references."""
    columns = ["variant", "parameters", "min"]
    for which in _SETS:
        columns += [which, "each seed", f"{which}, − last"]
    rows: list[tuple[Cell, ...]] = []
    for row in (*study.rows, *study.references):
        known = [minutes for minutes in row.minutes if minutes is not None]
        minutes: Cell = float(np.mean(known)) if known else "–"
        cells: list[Cell] = [row.name, f"{row.parameters:,}" if row.parameters else "–", minutes]
        for which in _SETS:
            difference: Cell = "–" if row is study.rows[-1] else study.against_last(row, which)
            cells += [row.mean(which, study.numbers), _each(row.of_seeds(which, study.numbers)), difference]
        rows.append(tuple(cells))
    return Table(f"{study.suite}: {study.question}", tuple(columns), tuple(rows))


def ablation_markdown(study: AblationStudy) -> str:
    """The table, and what it rests on."""
    about = (
        f"Mean error of the face in mm, {len(study.numbers)} people of the held-out test set, skulls placed by the "
        "aligner, no face aligned to another; in brackets 95 % bootstrap intervals over people of the mean over seeds "
        f"{', '.join(map(str, study.seeds))}. min: minutes of each training, on cores that may have had other work. "
        "− last: paired difference to the last trained row; above 0 the row is worse. Cases that the aligner refused "
        "have no score in any row."
    )
    return f"{ablation_table(study).markdown()}\n\n{about}\n"


def ablation_dict(study: AblationStudy) -> dict[str, Any]:
    """The same for a JSON file."""
    return {
        "suite": study.suite,
        "question": study.question,
        "seeds": list(study.seeds),
        "people": list(study.numbers),
        "rows": [_row_dict(row, study.numbers) for row in (*study.rows, *study.references)],
        "table": ablation_table(study).as_dict(),
    }


def _row_dict(row: Row, numbers: Sequence[int]) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "representation": row.representation,
        "parameters": row.parameters,
        "minutes": list(row.minutes),
        "cases_mean_mm": {
            which: [[float(value) if np.isfinite(value) else None for value in errors] for errors in of_seeds]
            for which in _SETS
            for of_seeds in [row.errors(which, numbers)]
        },
    }


def _each(estimates: Sequence[Estimate]) -> str:
    return " ".join(f"{estimate.value:.2f}" for estimate in estimates) if len(estimates) > 1 else "–"

"""An ablation as a figure: a row per variant and representation, with a dot for each seed."""

from __future__ import annotations

from pathlib import Path

from eval.ablation.study import AblationStudy
from eval.plots import dots


def ablation_figure(path: Path, study: AblationStudy, which: str) -> None:
    """Write a PNG of the mean errors on one test set. Raises `InputError` when it cannot be written."""
    rows = [
        dots.Row(
            row.name,
            row.of_seeds(which, study.numbers) if len(row.scores[which]) > 1 else [],
            row.mean(which, study.numbers),
        )
        for row in (*study.rows, *study.references)
    ]
    title = f"{study.suite}: {len(study.numbers)} people, {which} skulls"
    dots.dots(path, rows, "mean error of the face, mm", title)

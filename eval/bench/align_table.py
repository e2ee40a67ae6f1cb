"""The table of `s2f bench align`: how far off the aligner is, over all skulls and by what happened to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from eval.bench.align import (
    GROSS_SHIFT_MM,
    GROSS_TURN_DEG,
    AlignedCase,
    FacePoints,
    displacement_mm,
    is_gross,
    turn_deg,
)

_BROKEN = {"mandible_missing", "mandible_displaced", "jaw_open", "half", "calvarium_cut", "view_cut"}
GROUPS: Mapping[str, Callable[[set[str]], bool]] = {
    "all": lambda kinds: True,
    "whole and shut": lambda kinds: not kinds & _BROKEN,
    "mandible missing": lambda kinds: "mandible_missing" in kinds,
    "jaw open or displaced": lambda kinds: bool(kinds & {"jaw_open", "mandible_displaced"}),
    "half": lambda kinds: "half" in kinds,
    "calvarium or view cut": lambda kinds: bool(kinds & {"calvarium_cut", "view_cut"}),
    "laser scan": lambda kinds: "outside_only" in kinds,
}
"""Which cases belong to a row, by their kinds of harm; a case can belong to several."""
MEASURES: Mapping[str, Callable[[Float[np.ndarray, "4 4"], FacePoints], float]] = {
    "turn, °": lambda error, points: turn_deg(error),
    "nasion, mm": lambda error, points: displacement_mm(error, points.nasion),
    "menton, mm": lambda error, points: displacement_mm(error, points.menton),
    "centre of the face, mm": lambda error, points: displacement_mm(error, points.centre),
}
_PERCENTILES = (50.0, 90.0, 95.0, 100.0)


@dataclasses.dataclass(frozen=True)
class AlignRow:
    """Cases that have something in common."""

    group: str
    cases: int
    refused: int
    """Not taken for a skull."""
    gross: int
    """Aligned to another place."""
    quantiles: Mapping[str, tuple[float, ...] | None]
    """Of each measure over the others: median, 90 %, 95 %, largest; None where there are none."""

    @classmethod
    def of(cls, group: str, cases: Sequence[AlignedCase], points: FacePoints) -> AlignRow:
        """The row of a group."""
        found = [case.T_aligned_head for case in cases if case.T_aligned_head is not None]
        kept = [error for error in found if not is_gross(error, points)]
        quantiles = {
            name: tuple(np.percentile([measure(error, points) for error in kept], _PERCENTILES).tolist())
            if kept
            else None
            for name, measure in MEASURES.items()
        }
        return cls(group, len(cases), len(cases) - len(found), len(found) - len(kept), quantiles)


@dataclasses.dataclass(frozen=True)
class AlignTable:
    """What was measured."""

    rows: tuple[AlignRow, ...]
    failures: tuple[str, ...]
    """One line on each kind of failure that there was, with the cases' numbers."""

    @classmethod
    def of(cls, cases: Sequence[AlignedCase], points: FacePoints) -> AlignTable:
        """The table of some cases."""
        rows = [
            AlignRow.of(name, chosen, points)
            for name, belongs in GROUPS.items()
            if (chosen := [case for case in cases if belongs(set(case.kinds))])
        ]
        refused = [case.number for case in cases if case.T_aligned_head is None]
        gross = [
            case.number for case in cases if case.T_aligned_head is not None and is_gross(case.T_aligned_head, points)
        ]
        told = (("refused, as not a skull", refused), ("gross", gross))
        lines = [f"{what}: {', '.join(f'case {number}' for number in numbers)}" for what, numbers in told if numbers]
        return cls(tuple(rows), tuple(lines))

    def print(self, console: Console) -> None:
        """Print it and what belongs to it."""
        table = Table(title="How far off the aligner is", box=SIMPLE, pad_edge=False)
        table.add_column("")
        table.add_column("")
        for heading in ("median", "90 %", "95 %", "largest"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows:
            beside = [row.group, f"  skulls: {row.cases}", f"  refused: {row.refused}", f"  gross: {row.gross}"]
            for text, (name, quantiles) in zip(beside, row.quantiles.items(), strict=True):
                cells = ["–"] * len(_PERCENTILES) if quantiles is None else [f"{value:.2f}" for value in quantiles]
                table.add_row(text, name, *cells, end_section=text == beside[-1])
        console.print(table)
        for line in (
            "turn: of the whole skull; the others: how far that point is moved, from where it lies in the true frame",
            f"gross: turned by more than {GROSS_TURN_DEG:g}°, or the centre of the face off by more than "
            f"{GROSS_SHIFT_MM:g} mm; neither these nor refused skulls are in the numbers above or in --out",
            *self.failures,
        ):
            console.print(line, markup=False, highlight=False)

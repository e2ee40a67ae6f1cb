"""`s2f bench mesh`: how fast a field becomes a mesh, as a ratio against a dense grid in one run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchMesh:
    """Measure meshing a head's field coarse to fine against a grid evaluated everywhere: share of evaluations, ratio
    of times, and how far apart the surfaces are."""

    out: Annotated[Path | None, _OptionalFile] = None
    """Where to write the table too: Markdown (.md), or all numbers (.json)."""
    quick: bool = False
    """A coarse grid, to see whether it runs; the ratio then means little."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Measure, print the table, and write it if asked."""
        from s2f.outputs import check_extension, check_outputs

        if self.out is not None:
            check_extension(self.out, (".md", ".json"))
            check_outputs([self.out], overwrite=self.overwrite)

        from rich.console import Console

        from data.prior import read_prior
        from eval.bench_mesh import FULL, QUICK, bench_mesh, made_field
        from s2f.shipped import PRIOR
        from s2f.steps import Steps

        size, steps = QUICK if self.quick else FULL, Steps()
        with steps.step("sampling the head's distances"):
            field = made_field(read_prior(PRIOR).head_mesh(), size.spacing_mm)
        with steps.step("benchmark") as say:
            table = bench_mesh(field, size, say)
        table.print(Console())
        if self.out is not None:
            table.write(self.out)
        return 0

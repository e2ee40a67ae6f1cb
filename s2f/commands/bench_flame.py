"""`s2f bench flame`: speed of the head model, as ratios against peers in one run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchFlame:
    """Measure the speed of forward pass and fits of the head model against peers.

    All in one run and in turn, so that the ratios hold on a busy machine too. Compile times stand apart, since they
    are paid once.
    """

    head_model: Annotated[Path | None, _OptionalFile] = None
    """A FLAME-format head model; the shipped head for fits and random numbers for the forward pass if not given."""
    out: Annotated[Path | None, _OptionalFile] = None
    """Where to write the table too: Markdown (.md), or all numbers (.json)."""
    quick: bool = False
    """Small and few, to see whether it runs; the ratios then mean little."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Measure, print the table, and write it if asked."""
        from s2f.outputs import check_extension, check_outputs

        if self.out is not None:
            check_extension(self.out, (".md", ".json"))
            check_outputs([self.out], inputs=(self.head_model,), overwrite=self.overwrite)

        from rich.console import Console

        from data.prior import read_prior
        from data.shipped import PRIOR
        from eval.bench.flame import FULL, QUICK, bench_flame
        from flame_jax.model_file import read_head_model
        from s2f.steps import Steps

        given = None if self.head_model is None else read_head_model(self.head_model)
        with Steps().step("benchmark") as say:
            table = bench_flame(read_prior(PRIOR).head, given, QUICK if self.quick else FULL, say)
        table.print(Console())
        if self.out is not None:
            table.write(self.out)
        return 0

"""`s2f bench align`: how far off the aligner is, for the table and for networks to be trained with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from flame_jax.errors import InputError

_QUICK = 4
"""Skulls, to see whether it runs."""


@dataclasses.dataclass(frozen=True)
class BenchAlign:
    """Measure how far off the aligner is on synthetic skulls in any pose, with the damage that networks are trained
    with."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Where to write the errors (.npz), for networks to be trained with."""
    count: int = 200
    """How many skulls."""
    seed: int = 1_000_003
    """Another seed makes other skulls. Give none that networks are trained with."""
    quick: bool = False
    """A few skulls only, to see whether it runs; the numbers then mean little."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Measure, print the table, and write the errors if asked."""
        from s2f.outputs import check_extension, check_outputs

        if self.count < 1:
            raise InputError(f"--count {self.count}: give at least 1")
        if self.out is not None:
            check_extension(self.out, (".npz",))
            check_outputs([self.out], overwrite=self.overwrite)

        from rich.console import Console

        from data.cohort.pose_errors import write_pose_errors
        from data.cores import cores
        from data.prior import read_prior
        from data.shipped import JAW_OPEN, PRIOR
        from eval.bench.align import AlignMeasurement, FacePoints, kept_errors, measure_aligner
        from eval.bench.align_table import AlignTable
        from s2f.steps import Steps

        numbers = range(min(self.count, _QUICK) if self.quick else self.count)
        points = FacePoints.of(read_prior(PRIOR))
        with Steps().step("aligning skulls") as say:
            cases = measure_aligner(AlignMeasurement(PRIOR, JAW_OPEN, self.seed), numbers, workers=cores(), say=say)
        AlignTable.of(cases, points).print(Console())
        if self.out is not None:
            write_pose_errors(self.out, kept_errors(cases, points))
        return 0

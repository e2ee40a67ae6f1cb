"""`s2f bench mesh`: how fast a field becomes a mesh, as a ratio against a dense grid in one run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchMesh:
    """Measure meshing a face's field coarse to fine against a grid evaluated everywhere: share of evaluations, ratio
    of times, and how far apart the surfaces are. The field is a trained one on the prior's mean skull."""

    checkpoint: Annotated[Path | None, _OptionalFile] = None
    """The field: a training run's folder or a model's file; the shipped one if not given."""
    made: bool = False
    """Take a made field of about the same cost instead."""
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
        from data.shipped import FIELD, PRIOR
        from eval.bench.mesh import FULL, QUICK, MeasuredField, bench_mesh, made_field
        from s2f.field_face import FieldFaces
        from s2f.field_file import read_field
        from s2f.skull_reading import read_skull
        from s2f.steps import Steps

        size, steps = QUICK if self.quick else FULL, Steps()
        prior = read_prior(PRIOR)
        if self.made:
            with steps.step("sampling the head's distances"):
                field = made_field(prior.head_mesh(), size.spacing_mm)
        else:
            with steps.step("reading the field and a skull"):
                trained = read_field(self.checkpoint or FIELD)
                reading = read_skull(trained.model, prior.skull, points=trained.skull_points, fullness=None)
                low, high = FieldFaces(trained.model, trained.skull_points).box
                distances = trained.model.distances(reading, reading.posterior.mean)
                field = MeasuredField("a trained face field", distances, low, high)
        with steps.step("benchmark") as say:
            table = bench_mesh(field, size, say)
        table.print(Console())
        if self.out is not None:
            table.write(self.out)
        return 0

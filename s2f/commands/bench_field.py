"""`s2f bench field`: a trained field on the held-out test set, beside the references."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_OptionalPath = tyro.conf.arg(metavar="PATH", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchField:
    """Measure a field on 100 people of another head model and generator, undamaged and damaged, in the skull's frame:
    against ridge regression with true correspondence, the mean head, the route without a network, and further baselines
    if asked for; with intervals, calibration, and a sheet of eight cases. Takes an hour the first time: skulls are
    aligned, and people drawn to train the regression; both are kept in --kept."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where to write: table.md, study.json, sheet.png."""
    checkpoint: Annotated[Path | None, _OptionalPath] = None
    """The field: a training run's folder or a model's file; the shipped one if not given."""
    kept: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/bench")
    """Folder for what takes long and does not depend on the field."""
    people: int = 100
    """Of the test set."""
    trained_on: int = 2_000
    """People that the linear reference and the baselines learn from."""
    representations: tuple[str, ...] = ("hybrid", "implicit", "parametric")
    """What to measure; the first is judged."""
    baselines: tuple[str, ...] = ("mean-head", "classic")
    """What to measure beside it, of mean-head, classic, ridge, pls and nearest; the first two always are."""
    overwrite: bool = False
    """Replace the results of an earlier run."""

    def run(self) -> int:
        """Measure, print the tables, and write them."""
        from s2f.field_bench import check_representations
        from s2f.outputs import check_outputs

        check_representations(self.representations)
        outputs = [self.out / name for name in ("table.md", "study.json", "sheet.png")]
        check_outputs(outputs, overwrite=self.overwrite)

        from eval.baselines.named import check_baselines

        check_baselines(self.baselines)

        from data.shipped import FIELD
        from s2f.compilation_cache import use_compilation_cache
        from s2f.field_bench import FieldBench, run_field_bench
        from s2f.field_file import read_field
        from s2f.steps import Steps

        use_compilation_cache()
        steps = Steps()
        field = read_field(self.checkpoint or FIELD)
        bench = FieldBench(field, self.representations, self.people, self.trained_on, self.baselines, self.kept)
        with steps.step("measuring the field") as say:
            print(run_field_bench(bench, self.out, say))
        return 0

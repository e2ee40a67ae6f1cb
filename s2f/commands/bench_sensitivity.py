"""`s2f bench sensitivity`: what a field's error depends on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from fields.field_config import Representation

_OptionalPath = tyro.conf.arg(metavar="PATH", help_behavior_hint="")
_QUICK = 3
"""People, to see whether it runs."""


@dataclasses.dataclass(frozen=True)
class BenchSensitivity:
    """Measure a field's error against one thing at a time: missing parts, noise, a CT's voxels, how the skull was
    placed, a fullness that is told wrongly, and what the test generator assumes of soft tissue; with what no method can
    tell, since the generator's skulls do not. Takes half an hour the first time: skulls are aligned, and people drawn
    to train regressions; both are kept in --kept."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where to write: table.md, sensitivity.json, sensitivity.png."""
    checkpoint: Annotated[Path | None, _OptionalPath] = None
    """The field: a training run's folder or a model's file; the shipped one if not given."""
    kept: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/bench")
    """Folder for what takes long and does not depend on the field."""
    people: int = 20
    """At each level."""
    trained_on: int = 1_000
    """People of each generator that a regression learns from."""
    representation: Representation = "hybrid"
    """Of the field."""
    baselines: tuple[str, ...] = ()
    """What to measure besides, of mean-head, classic, ridge, pls and nearest."""
    quick: bool = False
    """A few people only, to see whether it runs; the numbers then mean little."""
    overwrite: bool = False
    """Replace the results of an earlier run."""

    def run(self) -> int:
        """Measure, print the tables, and write them."""
        from eval.baselines.named import check_baselines
        from s2f.outputs import check_outputs
        from s2f.sensitivity_bench import OUTPUTS, SensitivityBench, run_sensitivity_bench

        check_baselines(self.baselines)
        check_outputs([self.out / name for name in OUTPUTS], overwrite=self.overwrite)

        from data.shipped import FIELD
        from s2f.compilation_cache import use_compilation_cache
        from s2f.field_file import read_field
        from s2f.steps import Steps

        use_compilation_cache()
        steps = Steps()
        bench = SensitivityBench(
            field=read_field(self.checkpoint or FIELD),
            representation=self.representation,
            baselines=self.baselines,
            people=min(self.people, _QUICK) if self.quick else self.people,
            trained_on=self.trained_on,
            kept=self.kept,
        )
        with steps.step("measuring sensitivity") as say:
            print(run_sensitivity_bench(bench, self.out, say))
        return 0

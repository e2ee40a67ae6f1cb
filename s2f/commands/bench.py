"""`s2f bench`: speed, how well fits and alignments come back, meshing, and what the cohort is like."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import tyro

from s2f.commands.bench_align import BenchAlign
from s2f.commands.bench_anatomy import BenchAnatomy
from s2f.commands.bench_cohort import BenchCohort
from s2f.commands.bench_field import BenchField
from s2f.commands.bench_flame import BenchFlame
from s2f.commands.bench_mesh import BenchMesh
from s2f.commands.bench_retrieval import BenchRetrieval
from s2f.commands.bench_round_trip import BenchRoundTrip
from s2f.commands.bench_sensitivity import BenchSensitivity

_Subject = (
    Annotated[BenchFlame, tyro.conf.subcommand("flame")]
    | Annotated[BenchRoundTrip, tyro.conf.subcommand("round-trip")]
    | Annotated[BenchAlign, tyro.conf.subcommand("align")]
    | Annotated[BenchAnatomy, tyro.conf.subcommand("anatomy")]
    | Annotated[BenchCohort, tyro.conf.subcommand("cohort")]
    | Annotated[BenchMesh, tyro.conf.subcommand("mesh")]
    | Annotated[BenchField, tyro.conf.subcommand("field")]
    | Annotated[BenchRetrieval, tyro.conf.subcommand("retrieval")]
    | Annotated[BenchSensitivity, tyro.conf.subcommand("sensitivity")]
)


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure speed, how well fits and alignments come back, and the cohort; takes minutes."""

    subject: Annotated[_Subject, tyro.conf.arg(name="")]
    """What to measure."""

    def run(self) -> int:
        """Measure it."""
        return self.subject.run()

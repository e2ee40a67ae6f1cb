"""`s2f bench`: speed, as ratios against peers in one run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from flame_jax.errors import InputError

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure speed against peers, and how well fits come back; takes minutes.

    Speed is measured all in one run and in turn, so that the ratios hold on a busy machine too. Compile times stand
    apart, since they are paid once.
    """

    subject: Annotated[
        tyro.conf.Positional[Literal["flame", "round-trip"]], tyro.conf.arg(metavar="{flame,round-trip}")
    ]
    """What to measure. flame: speed of forward pass and fits of the head model. round-trip: how well fit-flame finds
    back 50 heads sampled from the head model, and 20 faces of another."""
    head_model: Annotated[Path | None, _OptionalFile] = None
    """A FLAME-format head model; the shipped head for fits and random numbers for the forward pass if not given."""
    other_model: Annotated[Path | None, _OptionalFile] = None
    """For round-trip: ICT-FaceKit, whose people are fitted too."""
    out: Annotated[Path | None, _OptionalFile] = None
    """For flame: where to write the table too: Markdown (.md), or all numbers (.json)."""
    quick: bool = False
    """Small and few, to see whether it runs; the ratios then mean little."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Measure, print the table, and write it if asked."""
        from s2f.outputs import check_extension, check_outputs

        if self.subject == "round-trip":
            return self._round_trip()
        if self.other_model is not None:
            raise InputError(f"{self.other_model}: --other-model is for round-trip; leave it out")
        if self.out is not None:
            check_extension(self.out, (".md", ".json"))
            check_outputs([self.out], inputs=(self.head_model,), overwrite=self.overwrite)

        from rich.console import Console

        from data.prior import read_prior
        from eval.bench_flame import FULL, QUICK, bench_flame
        from flame_jax.model_file import read_head_model
        from s2f.shipped import PRIOR
        from s2f.steps import Steps

        given = None if self.head_model is None else read_head_model(self.head_model)
        with Steps().step("benchmark") as say:
            table = bench_flame(read_prior(PRIOR).head, given, QUICK if self.quick else FULL, say)
        table.print(Console())
        if self.out is not None:
            table.write(self.out)
        return 0

    def _round_trip(self) -> int:
        if self.out is not None:
            raise InputError(f"{self.out}: --out is for the table of s2f bench flame; leave it out")

        from data.prior import read_prior
        from flame_jax.model_file import read_head_model
        from s2f.compilation_cache import use_compilation_cache
        from s2f.round_trip import other_people, own_people, summary
        from s2f.shipped import PRIOR
        from s2f.steps import Steps

        use_compilation_cache()
        model = read_prior(PRIOR).head if self.head_model is None else read_head_model(self.head_model)
        other = None if self.other_model is None else read_head_model(self.other_model)
        with Steps().step("round trip") as say:
            own = own_people(model, 2 if self.quick else 50, say)
            others = [] if other is None else other_people(model, other, 2 if self.quick else 20, say)
        print(summary(f"people of {model.name}", own, 0.5))
        if other is not None:
            print(summary(f"people of {other.name}, narrow face", others, 0.95))
        return 0

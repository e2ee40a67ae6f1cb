"""`s2f bench round-trip`: how well fit-flame finds back heads that are known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchRoundTrip:
    """Measure how well fit-flame finds back 50 heads sampled from the head model, and 20 faces of another."""

    head_model: Annotated[Path | None, _OptionalFile] = None
    """A FLAME-format head model; the shipped head if not given."""
    other_model: Annotated[Path | None, _OptionalFile] = None
    """ICT-FaceKit, whose people are fitted too."""
    quick: bool = False
    """Two of each, to see whether it runs."""

    def run(self) -> int:
        """Measure and print what came back."""
        from data.prior import read_prior
        from data.shipped import PRIOR
        from flame_jax.model_file import read_head_model
        from s2f.compilation_cache import use_compilation_cache
        from s2f.round_trip import other_people, own_people, summary
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

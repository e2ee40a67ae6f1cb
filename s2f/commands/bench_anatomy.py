"""`s2f bench anatomy`: whether the cohort's people are anatomy that a network can learn from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from flame_jax.errors import InputError

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchAnatomy:
    """Measure a generator's undamaged people: how far the skull gives the face away, depths along rays at each
    landmark, also when it does not drive the skulls, and whether bone stays under skin; takes half an hour."""

    generator: Literal["train", "test"] = "train"
    """Whose people."""
    skull: Annotated[Path | None, _OptionalFile] = None
    """A scan of a head's bone, a mesh in millimetres, whose depths are set beside the cohort's."""
    skin: Annotated[Path | None, _OptionalFile] = None
    """Its skin, in the same frame."""
    quick: bool = False
    """Few people and one landmark left out, to see whether it runs; the numbers then mean little."""

    def run(self) -> int:
        """Measure and print."""
        if (self.skull is None) != (self.skin is None):
            raise InputError(f"{self.skull or self.skin}: give both --skull and --skin")

        from rich.console import Console

        from data.align import align_skull
        from data.cleaning import clean
        from data.cohort.variants import VARIANTS
        from data.jaw_opening import read_jaw_opening
        from data.mesh_files import read_mesh
        from data.prior import read_prior
        from data.shipped import JAW_OPEN, JAW_OPEN_ICT, PRIOR, PRIOR_ICT
        from eval.cohort.report import print_study
        from eval.cohort.study import FULL, QUICK, study_anatomy
        from s2f.compilation_cache import use_compilation_cache
        from s2f.steps import Steps

        use_compilation_cache()
        train = read_prior(PRIOR)
        prior, opening = (train, JAW_OPEN) if self.generator == "train" else (read_prior(PRIOR_ICT), JAW_OPEN_ICT)
        steps = Steps()
        scan = None
        if self.skull is not None and self.skin is not None:
            with steps.step("aligning the scan"):
                skin = read_mesh(self.skin)
                scan = align_skull(clean(read_mesh(self.skull)), train, source=str(self.skull)), skin
        with steps.step("making the generator") as say:
            study = study_anatomy(
                prior,
                VARIANTS[self.generator],
                read_jaw_opening(opening, prior),
                QUICK if self.quick else FULL,
                scan,
                say,
            )
        print_study(study, Console())
        return 0

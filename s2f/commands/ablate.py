"""`s2f ablate`: variants of the field at one small budget, in one table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

_SEEDS_AND_PEOPLE = {False: (2, 20), True: (1, 2)}
"""By whether it is quick."""

Name = Literal["representation", "prior", "encoder", "damage", "data-size"]


@dataclasses.dataclass(frozen=True)
class Ablate:
    """Train variants of the field with one small budget, and set them side by side on the held-out test set: implicit
    against parametric, priors, encoders, damage, numbers of heads. What is there already is not trained again; an
    interrupt saves, and the same command goes on."""

    suite: Name = "representation"
    """What is varied."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/ablate")
    """Where to write: runs, which suites share, and a folder per suite with table.md, study.json and two figures."""
    quick: bool = False
    """Minutes instead of hours: tiny networks, to see whether everything runs. What comes out says nothing."""
    seeds: Annotated[int | None, tyro.conf.arg(help_behavior_hint="(default: 2, quick 1)")] = None
    """Repeats, each with other first parameters and other batches."""
    people: Annotated[int | None, tyro.conf.arg(help_behavior_hint="(default: 20, quick 2)")] = None
    """Of the test set, each undamaged and damaged."""
    kept: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/bench")
    """Folder for what does not depend on the suite: test cases, scores of methods that are not trained."""
    overwrite: bool = False
    """Replace the table of an earlier run; its trained variants stay."""

    def run(self) -> int:
        """Train, score, print the table, and write it."""
        from configs.ablations import QUICK_SUITES, SUITES
        from flame_jax.errors import InputError
        from s2f.ablation import FIGURES, STUDY, TABLE, Ablation, run_ablation
        from s2f.outputs import check_outputs

        usual_seeds, usual_people = _SEEDS_AND_PEOPLE[self.quick]
        seeds = usual_seeds if self.seeds is None else self.seeds
        people = usual_people if self.people is None else self.people
        for name, count in (("seeds", seeds), ("people", people)):
            if count < 1:
                raise InputError(f"--{name} is {count}; give 1 or more")
        suite = (QUICK_SUITES if self.quick else SUITES)[self.suite]
        ablation = Ablation(f"{self.suite}{'-quick' * self.quick}", suite, seeds, people, self.out, self.kept)
        check_outputs([ablation.results / name for name in (TABLE, STUDY, *FIGURES)], overwrite=self.overwrite)

        from s2f.compilation_cache import use_compilation_cache
        from train.interrupts import INTERRUPTED, asked_to_stop

        use_compilation_cache()
        with asked_to_stop() as stop:
            text = run_ablation(ablation, lambda said: print(said, flush=True), stop)
        if text is None:
            return INTERRUPTED
        print(text)
        return 0

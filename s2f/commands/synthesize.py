"""`s2f synthesize`: skull–face pairs, to train and to test with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from flame_jax.errors import InputError
from s2f.covariates import check_covariates

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class Synthesize:
    """Make pairs of a damaged skull and the face that belongs to it, by anatomy; nobody is in them.

    A case depends on the seed and its number alone. A run that was stopped is continued by the same command, and a
    larger --count adds to what is there.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the pairs: a folder per case with skull.ply, face.ply and record.json, and a page on what they are."""
    count: int
    """How many cases."""
    first: int = 0
    """Number of the first case, to share the work between machines."""
    generator: Literal["train", "test"] = "train"
    """Whose assumptions: train, or test, which differs in all of them and has heads of another model. Never train on
    test."""
    damage: float = 1.0
    """How badly skulls are damaged and scanned: 0 not at all, 1 by default, more is worse."""
    severity: Annotated[dict[str, float], tyro.conf.arg(metavar="KIND LEVEL …", help_behavior_hint="")] = (
        dataclasses.field(default_factory=dict)
    )
    """The same for single kinds of damage, such as: half 3 mandible_missing 0."""
    fullness: Annotated[float | None, tyro.conf.arg(metavar="Z", help_behavior_hint="")] = None
    """Fullness of all faces, in standard deviations; drawn if not given."""
    bmi: Annotated[float | None, tyro.conf.arg(metavar="B", help_behavior_hint="")] = None
    """Body mass index of all people, kg/m²; fullness is then drawn about what is expected (an assumption)."""
    seed: int = 0
    """Another seed makes other people."""
    prior: Annotated[Path | None, _OptionalFile] = None
    """Anatomy prior of another head model, of s2f build-prior."""
    jaw: Annotated[Path | None, _OptionalFile] = None
    """How the mouth of --prior opens, of s2f build-jaw; without, mouths stay shut."""
    workers: Annotated[int | None, tyro.conf.arg(help_behavior_hint="")] = None
    """Processes at once; as many as there are cores if not given."""
    overwrite: bool = False
    """Remove the folder's cohort first."""

    def run(self) -> int:
        """Make the pairs, with progress."""
        self._check()

        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

        from data.cohort.severities import Severities
        from data.cohort.synthesis import Synthesis, synthesize
        from data.cores import cores
        from data.shipped import JAW_OPEN, JAW_OPEN_ICT, POSE_ERRORS, PRIOR, PRIOR_ICT

        severities = Severities.all(self.damage).with_kinds(self.severity)
        prior, jaw = (PRIOR, JAW_OPEN) if self.generator == "train" else (PRIOR_ICT, JAW_OPEN_ICT)
        synthesis = Synthesis(
            generator=self.generator,
            prior=prior if self.prior is None else self.prior,
            jaw=jaw if self.prior is None else self.jaw,
            pose_errors=POSE_ERRORS,
            severities=severities,
            fullness=self.fullness,
            bmi=self.bmi,
            seed=self.seed,
        )
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task("making pairs", total=self.count)
            synthesize(
                self.out,
                synthesis,
                range(self.first, self.first + self.count),
                workers=cores() if self.workers is None else self.workers,
                overwrite=self.overwrite,
                done=lambda count: progress.update(task, completed=count),
            )
        print(f"{self.out}: {self.count} pairs; what they are is told in {self.out / 'README.md'}")
        return 0

    def _check(self) -> None:
        if self.count < 1:
            raise InputError(f"--count {self.count}: give at least 1")
        if self.first < 0:
            raise InputError(f"--first {self.first}: give 0 or more")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers {self.workers}: give at least 1")
        check_covariates(fullness=self.fullness, bmi=self.bmi)
        if self.jaw is not None and self.prior is None:
            raise InputError(f"{self.jaw}: --jaw belongs to a --prior; give both")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out}: is a file; give a folder to --out")

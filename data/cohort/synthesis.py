"""A cohort on disk: as many pairs as wanted, on all cores, continued where an earlier run stopped."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data.cohort.case import Conditions
from data.cohort.data_card import data_card
from data.cohort.generator import make_generator
from data.cohort.pair_files import PairMaker, case_name
from data.cohort.pose_errors import read_pose_errors
from data.cohort.severities import Severities
from data.cohort.variants import VARIANTS
from data.in_processes import in_processes
from data.jaw_opening import closed_jaw, read_jaw_opening
from data.json_file import read_json_object
from data.pairs.content import file_digest
from data.pairs.folders import RECORD
from data.prior import read_prior
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

FORMAT = "s2f cohort 1"
COHORT, CARD = "cohort.json", "README.md"
_EACH_WORKER = 8
"""Cases that are worth the seconds which another process takes to start."""


@dataclasses.dataclass(frozen=True)
class Synthesis:
    """What a cohort on disk is made of. Cases depend on nothing else but their number."""

    generator: str
    """Name of the variant: train or test."""
    prior: Path
    """Of the anatomy prior."""
    jaw: Path | None
    """How the prior's mouth opens; without, jaws stay shut."""
    pose_errors: Path
    """Of our aligner."""
    severities: Severities
    fullness: float | None = None
    """Of all faces, in standard deviations."""
    bmi: float | None = None
    """Of all people, kg/m²."""
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """All that decides what the cases are, for the record. Raises `InputError` for a file that cannot be read."""
        files = {"prior": self.prior, "jaw": self.jaw, "pose_errors": self.pose_errors}
        return {
            "format": FORMAT,
            "generator": self.generator,
            "seed": self.seed,
            "severities": {kind: float(value) for kind, value in dataclasses.asdict(self.severities).items()},
            "fullness": self.fullness,
            "bmi": self.bmi,
            "sources": {name: None if path is None else file_digest(path) for name, path in files.items()},
        }

    def maker(self) -> PairMaker:
        """What makes the pairs; takes seconds. Raises `InputError` for a file that cannot be read."""
        prior = read_prior(self.prior)
        jaw = closed_jaw(prior) if self.jaw is None else read_jaw_opening(self.jaw, prior)
        variant = VARIANTS[self.generator]
        generator = make_generator(prior, variant, jaw, read_pose_errors(self.pose_errors))
        severities = self.severities if self.jaw else dataclasses.replace(self.severities, jaw_open=0.0)
        conditions = Conditions.of(severities, fullness=self.fullness, bmi=self.bmi)
        return PairMaker(prior, variant, generator, conditions, self.seed)


def synthesize(
    folder: Path,
    synthesis: Synthesis,
    numbers: Sequence[int],
    *,
    workers: int,
    overwrite: bool = False,
    done: Callable[[int], None] = lambda count: None,
) -> None:
    """Make the cases of some numbers in a folder, leaving alone what is there.

    Args:
        folder: Made if need be. Gets a `README.md`, a `cohort.json` and one folder per case.
        synthesis: What the cases are made of.
        numbers: Which cases.
        workers: Processes, at most; fewer for few cases.
        overwrite: Remove the folder's cohort first.
        done: Told how many of the cases are there, each time that number grows.

    Raises:
        InputError: The folder holds another cohort or cannot be written, or a file of `synthesis` cannot be read.
    """
    settings = synthesis.settings()
    if overwrite:
        _remove_cohort(folder)
    missing = [number for number in numbers if not (folder / case_name(number)).is_dir()]
    finished = len(numbers) - len(missing)
    _claim(folder, settings, synthesis.prior)
    for number in missing:
        for left_over in folder.glob(f".{case_name(number)}.*"):
            shutil.rmtree(left_over, ignore_errors=True)
    done(finished)

    def written(_: None) -> None:
        nonlocal finished
        finished += 1
        done(finished)

    make_work = functools.partial(_writer, synthesis, folder)
    in_processes(make_work, missing, workers=workers, worth=_EACH_WORKER, finished=written)


def _writer(synthesis: Synthesis, folder: Path) -> Callable[[int], None]:
    return functools.partial(synthesis.maker().write, folder)


def _claim(folder: Path, settings: dict[str, Any], prior: Path) -> None:
    """Write what the folder's cohort is made of, or see that it is the same."""
    path = folder / COHORT
    if path.exists():
        there = read_json_object(path, "give another folder to --out, or --overwrite")
        if there != json.loads(json.dumps(settings)):
            names = sorted(name for name in settings if there.get(name) != json.loads(json.dumps(settings[name])))
            raise InputError(
                f"{path}: its cohort was made with other {', '.join(names)}; give another folder to --out, or "
                "--overwrite"
            )
        return
    if folder.is_dir() and any(folder.glob(f"*/{RECORD}")):
        raise InputError(f"{folder}: holds pairs of another origin; give another folder to --out")
    card = data_card(settings, VARIANTS[settings["generator"]], read_prior(prior).credit)
    with whole_file(folder / CARD) as unfinished:
        unfinished.write_text(card, encoding="utf-8")
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _remove_cohort(folder: Path) -> None:
    """Remove the cohort that a folder says it holds, and nothing else."""
    if not (folder / COHORT).exists():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name.isdigit():
            shutil.rmtree(entry)
    (folder / CARD).unlink(missing_ok=True)
    (folder / COHORT).unlink()

"""`s2f train`: train an experiment, or go on with it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, Union

import tyro

from flame_jax.errors import InputError
from train.experiment import Experiment

_Kind = TypeVar("_Kind")


@dataclasses.dataclass(frozen=True)
class TrainExperiment(Generic[_Kind]):
    """Train a network. An interrupt (Ctrl-C, or SIGTERM) saves after the current step; --resume goes on from there."""

    name: tyro.conf.Suppress[tyro.conf.Fixed[str]]
    """Of the experiment."""
    experiment: Annotated[_Kind, tyro.conf.arg(name="")]
    """Its configuration."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: out/train/EXPERIMENT)")] = (
        None
    )
    """Folder of the run: checkpoints, log.txt, event files for TensorBoard, run.json."""
    resume: bool = False
    """Go on with the run that is there. Its number of steps and its intervals may be changed, nothing else."""
    overwrite: bool = False
    """Remove the run that is there first."""
    init_from: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """Start from a trained model: its file, the folder of its run, a checkpoint's, or a file of weights."""

    def run(self) -> int:
        """Train, with progress."""
        experiment: Any = self.experiment
        if self.resume and (self.overwrite or self.init_from is not None):
            other = "--overwrite" if self.overwrite else "--init-from"
            raise InputError(f"--resume goes on with what is there, {other} begins anew; give one of them")
        experiment.training.check()

        from train.initial_weights import began_with, beginning, initial_file
        from train.interrupts import INTERRUPTED, asked_to_stop
        from train.loop import train
        from train.run_folder import Mode, about_run, open_run

        out = Path("out/train") / self.name if self.out is None else self.out
        mode: Mode = "resume" if self.resume else "overwrite" if self.overwrite else "new"
        weights_from = None if self.init_from is None else initial_file(self.init_from)
        start = began_with(out) if self.resume else weights_from
        about = about_run(self.name, experiment) | beginning(start)
        run = open_run(out, about, mode)
        task = experiment.make_task(out, about, start)
        with asked_to_stop() as stop:
            outcome = train(task, experiment.training, run, init_from=weights_from, stop=stop)
        print(f"{out}: {outcome.step} of {experiment.training.steps} steps")
        return 0 if outcome.finished else INTERRUPTED


def train_command(experiments: Mapping[str, Experiment], summaries: Mapping[str, str] | None = None) -> type:
    """The command's dataclass, with a subcommand for each of two or more experiments.

    Args:
        experiments: By name: frozen dataclasses, whose every field becomes an option.
        summaries: A line on each, for the help.
    """
    subjects = tuple(
        Annotated[
            TrainExperiment[type(experiment)],  # type: ignore[misc]
            tyro.conf.subcommand(
                name, default=TrainExperiment(name, experiment), description=(summaries or {}).get(name)
            ),
        ]
        for name, experiment in experiments.items()
    )
    what = tyro.conf.arg(name="", help="What to train.")
    subject = Annotated[Union[subjects], what]  # type: ignore[valid-type]  # noqa: UP007
    namespace = {"__doc__": _Train.__doc__}
    return dataclasses.make_dataclass(
        "Train", [("subject", subject)], bases=(_Train,), frozen=True, namespace=namespace
    )


@dataclasses.dataclass(frozen=True)
class _Train:
    """Train a network: s2f train EXPERIMENT [overrides], such as --training.steps 1000."""

    def run(self) -> int:
        """Train what was chosen."""
        subject: Any = vars(self)["subject"]
        return subject.run()


def check_experiment_name(arguments: Sequence[str], experiments: Mapping[str, Experiment]) -> None:
    """Raise `InputError` that suggests a name, when what follows `s2f train` begins with one that is unknown."""
    if not arguments or arguments[0].startswith("-") or arguments[0] in experiments:
        return
    near = difflib.get_close_matches(arguments[0], experiments, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}? There are" if near else "give one of"
    raise InputError(f"train {arguments[0]}: no such experiment; {guess} {', '.join(experiments)}")

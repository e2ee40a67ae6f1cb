"""Trains the variants of an ablation, each once."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flame_jax.whole_file import whole_file
from train.ablation import Variant
from train.face_experiment import FaceExperiment
from train.run_folder import MODEL, RECORD, about_run, open_run

if TYPE_CHECKING:
    from train.face_task import FaceTask

_FINISHED = "finished.json"
"""In a run's folder, written last: minutes of its training, null where it was interrupted."""


class Tasks:
    """Tasks of experiments. Heads, generator and rasterised head are made once for those that follow one another."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._key: Any = None
        self._made: FaceTask | None = None

    def of(self, experiment: FaceExperiment, out: Path, about: dict[str, Any]) -> FaceTask:
        """The task that `experiment.make_task` would make."""
        from train.make_face_task import make_face_task

        field = experiment.field
        key = (experiment.data, field.residual_modes, field.anchors, field.rank)
        if self._made is None or self._key != key:
            self._made = None  # Two would fill the memory.
            self._made = make_face_task(field, experiment.data, experiment.loss, say=self._say)
            self._key = key
        return dataclasses.replace(
            self._made, config=field, weights=experiment.loss, out=out, about={**about, **self._made.about}
        )


def trained(variant: Variant, runs: Path, tasks: Tasks, stop: Callable[[], bool]) -> Path | None:
    """The folder of a variant's run in a folder of runs; it is trained there, or further, unless that is done.

    None when told to stop: the run is saved, and the next call goes on with it. Raises `InputError` where a file cannot
    be read or written.
    """
    from train.loop import train

    folder = runs / variant.digest[:16]
    if (folder / _FINISHED).is_file() and (folder / MODEL).is_file():
        return folder
    experiment = variant.experiment
    interrupted = (folder / RECORD).is_file()
    # Without the name: another suite may have the same configuration under another.
    about = about_run("ablation", experiment)
    run = open_run(folder, about, "resume" if interrupted else "new")
    task = tasks.of(experiment, folder, about)
    start = time.perf_counter()
    if not train(task, experiment.training, run, stop=stop).finished:
        return None
    minutes = None if interrupted else round((time.perf_counter() - start) / 60.0, 2)
    with whole_file(folder / _FINISHED) as unfinished:
        unfinished.write_text(json.dumps({"minutes": minutes}) + "\n", encoding="utf-8")
    return folder


def minutes_of(folder: Path) -> float | None:
    """How long a finished run's training took; None where it was interrupted."""
    minutes = json.loads((folder / _FINISHED).read_text(encoding="utf-8"))["minutes"]
    return None if minutes is None else float(minutes)

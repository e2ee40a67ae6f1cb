"""The folder of a training run: what is in it, whose it is, and when it may be written to.

run.json      what is trained and by what code; `config` is the whole configuration
log.txt       a line now and then
events.out.*  the same for TensorBoard
checkpoints/  a folder per checkpoint, named by the step
model.npz     of a face field: the model as the last validation left it (`fields.face_model_file`)
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any, Literal

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file
from train.config_json import config_json, differing_fields
from train.experiment import Experiment
from train.origin import commit, versions
from train.training import MAY_CHANGE

FORMAT = "s2f run 1"
RECORD, LOG, CHECKPOINTS, EVENTS = "run.json", "log.txt", "checkpoints", "events.out.*"
MODEL = "model.npz"
Mode = Literal["new", "resume", "overwrite"]


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A folder that a run may write to."""

    path: Path
    about: dict[str, Any]
    """What is written to run.json, and into each checkpoint."""
    mode: Mode
    """What happens to a run that is there: an error, continued, or removed."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def log(self) -> Path:
        """The log, a text file."""
        return self.path / LOG

    def claim(self) -> None:
        """Write what the run is, having removed the run that was there if it is to be overwritten.

        Raises `InputError` when the folder cannot be written.
        """
        if self.mode == "overwrite":
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            for file in (self.log, self.path / RECORD, self.path / MODEL, *self.path.glob(EVENTS)):
                file.unlink(missing_ok=True)
        with whole_file(self.path / RECORD) as unfinished:
            unfinished.write_text(json.dumps(self.about, indent=1) + "\n", encoding="utf-8")


def about_run(name: str, experiment: Experiment) -> dict[str, Any]:
    """What a run of an experiment is: its name, its whole configuration, and the code that it is run by."""
    head, changed = commit()
    return {
        "format": FORMAT,
        "experiment": name,
        "config": config_json(experiment),
        "data_seed": experiment.training.data_seed,
        "commit": head,
        "uncommitted_changes": changed,
        "versions": versions(),
    }


def open_run(path: Path, about: dict[str, Any], mode: Mode) -> RunFolder:
    """See that a run may be made in a folder; nothing is written yet.

    Args:
        path: The folder; need not exist.
        about: Of `about_run`.
        mode: What happens to a run that is there.

    Raises:
        InputError: There is a run already and `mode` is new, or none to resume, or one of another experiment or
            configuration to resume; or the folder holds something else.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give a folder to --out")
    if not (path / RECORD).exists():
        if path.is_dir() and any(path.iterdir()):
            raise InputError(f"{path}: holds something else than a training run; give another folder to --out")
        if mode == "resume":
            raise InputError(f"{path}: holds no training run to resume; leave out --resume, or give the run to --out")
        return RunFolder(path, about, mode)
    if mode == "new":
        raise InputError(f"{path}: holds a training run; --resume continues it, --overwrite removes it first")
    if mode == "resume":
        _check_same(path / RECORD, about)
    return RunFolder(path, about, mode)


def read_about(path: Path) -> dict[str, Any]:
    """What a run.json says. Raises `InputError` for a file that is none."""
    remedy = "give another folder to --out, or --overwrite"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not JSON; {remedy}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("config"), dict):
        raise InputError(f"{path}: does not describe a run of the format '{FORMAT}'; {remedy}")
    return about


def _check_same(path: Path, about: dict[str, Any]) -> None:
    there = read_about(path)
    if there.get("experiment") != about["experiment"]:
        raise InputError(
            f"{path}: the run is of the experiment {there.get('experiment')}, not {about['experiment']}; resume that, "
            "or give another folder to --out"
        )
    may_change = {f"training.{name}" for name in MAY_CHANGE}
    if names := [name for name in differing_fields(there["config"], about["config"]) if name not in may_change]:
        raise InputError(
            f"{path}: the run has another {', '.join(names)}; resume it with its own, or give another folder to --out"
        )

"""What a run says: a bar on the terminal, lines in a text file, curves for TensorBoard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flame_jax.errors import InputError
from train.event_files import EventFile


class RunLog:
    """The log of one run. A context manager. Of several processes, only the first one's says anything."""

    def __init__(self, log: Path, *, steps: int, first_step: int, speaks: bool = True) -> None:
        """Append to the file `log`, with event files beside it; `steps` are there in all, `first_step` done before.

        Raises `InputError` when a file cannot be written.
        """
        self._console = Console(stderr=True, quiet=not speaks, highlight=False, markup=False, soft_wrap=True)
        columns = (
            TextColumn("step"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
        )
        silent = not (speaks and self._console.is_terminal)
        self._progress = Progress(*columns, console=self._console, transient=True, disable=silent)
        self._bar = self._progress.add_task("", total=steps, completed=first_step, told="")
        self._steps = steps
        self._open = contextlib.ExitStack()
        self._file, self._events = None, None
        if not speaks:
            return
        try:
            self._file = self._open.enter_context(log.open("a", encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{log}: cannot be written ({error.strerror}); give another folder to --out") from error
        self._events = self._open.enter_context(EventFile(log.parent, first_step=first_step))

    def say(self, line: str) -> None:
        """A line, on the terminal and in the file."""
        self._console.print(line)
        if self._file is not None:
            self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")
            self._file.flush()

    def trained(self, step: int, metrics: Mapping[str, float], rate: float) -> None:
        """Metrics of the last steps, and how many of these there were per second."""
        self._progress.update(self._bar, told=f"loss {metrics['loss']:.4g}  {rate:.3g} steps/s")
        left = _duration((self._steps - step) / rate)
        self.say(f"step {step}/{self._steps}  {_listed(metrics)}  {rate:.3g} steps/s  {left} left")
        self._write(step, "train", {**metrics, "steps_per_second": rate})

    def validated(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures of a validation."""
        self.say(f"step {step}/{self._steps}  validation: {_listed(figures)}")
        self._write(step, "validation", figures)

    def stepped(self, step: int) -> None:
        """So many steps are done."""
        self._progress.update(self._bar, completed=step)

    def _write(self, step: int, group: str, values: Mapping[str, float]) -> None:
        if self._events is not None:
            self._events.write(step, {f"{group}/{name}": value for name, value in values.items()})

    def __enter__(self) -> RunLog:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._open.close()


def _listed(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.5g}" for name, value in values.items())


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"

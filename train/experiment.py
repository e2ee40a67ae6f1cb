"""What `s2f train` needs of an experiment. Imports nothing heavy: the command line offers experiments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from train.training import Training

if TYPE_CHECKING:
    from dataclasses import Field

    from train.task import Task


@runtime_checkable
class Experiment(Protocol):
    """A frozen dataclass of numbers, names and further such dataclasses: the whole configuration of a run."""

    __dataclass_fields__: ClassVar[dict[str, Field]]

    @property
    def training(self) -> Training:
        """How long, how fast and how carefully."""

    def make_task(
        self, out: Path | None = None, about: Mapping[str, Any] | None = None, init_from: Path | None = None
    ) -> Task:
        """What is trained. Heavy imports happen in here.

        Args:
            out: The run's folder, where validation may leave what others load.
            about: What the run is.
            init_from: What the run began with (`train.initial_weights.initial_file`), for what the task takes from it
                besides weights; None for nothing.

        Raises:
            InputError: A file cannot be read.
        """

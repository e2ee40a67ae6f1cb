"""TensorBoard's event files: `tensorboard --logdir DIR` draws what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from flame_jax.errors import InputError

_FLUSH_SECONDS = 10


class EventFile:
    """An event file that is written to while training runs. A context manager."""

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        """A new file in `folder`. What older files there hold of `first_step` and later is no longer drawn.

        Raises `InputError` when it cannot be written.
        """
        try:
            self._writer = SummaryWriter(str(folder), purge_step=first_step or None, flush_secs=_FLUSH_SECONDS)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror}); give another folder to --out") from error

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add points to curves, by name; a part before a slash groups them."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def __enter__(self) -> EventFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

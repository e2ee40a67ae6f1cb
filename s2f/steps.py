"""What is being done right now, on the terminal, and how long each step took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console


class Steps:
    """The steps of one command: the current one is shown on stderr while it runs, if that is a terminal."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """Wall time of each finished step."""
        self._console = Console(stderr=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Show `name` until the block ends and keep its time; what is yielded shows something else meanwhile."""
        start = time.perf_counter()
        with self._console.status(name) as status:
            yield status.update
        self.seconds[name] = round(time.perf_counter() - start, 3)

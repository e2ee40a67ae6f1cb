"""The table of a benchmark: ratios first, with their spread in the run, and the times that they come from."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from data.cores import cores
from flame_jax.whole_file import whole_file

_PACKAGES = ("s2f", "jax", "jaxlib", "numpy", "scipy", "body-models")
_HEADINGS = ("", "ratio", "ours", "peer", "compile ours", "compile peer")


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison."""

    what: str
    """What was timed, in few words."""
    peer: str
    """Against what."""
    ours_s: float | None
    """Median wall time; None if we did not get there."""
    peer_s: float | None
    """The same of the peer."""
    ratio_quartiles: tuple[float, float] | None
    """Lower and upper quartile over the rounds of the peer's time through ours in the same round."""
    compile_ours_s: float | None
    """Tracing and compiling; None for what is not compiled."""
    compile_peer_s: float | None
    """The same of the peer."""
    note: str = ""
    """What else there is to say, in one line."""

    @classmethod
    def of(
        cls,
        what: str,
        peer: str,
        ours: Float[np.ndarray, " rounds"] | None,
        theirs: Float[np.ndarray, " rounds"] | None,
        *,
        compile_ours_s: float | None = None,
        compile_peer_s: float | None = None,
        note: str = "",
    ) -> Row:
        """A row from the seconds of each round, those of one round belonging together."""
        quartiles = None
        if ours is not None and theirs is not None:
            low, high = np.percentile(theirs / ours, [25, 75])
            quartiles = (float(low), float(high))
        medians = [None if seconds is None else float(np.median(seconds)) for seconds in (ours, theirs)]
        return cls(what, peer, medians[0], medians[1], quartiles, compile_ours_s, compile_peer_s, note)

    @property
    def ratio(self) -> float | None:
        """How many times as long as we the peer takes, by the medians; above one, we are faster."""
        return None if self.ours_s is None or self.peer_s is None else self.peer_s / self.ours_s

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        ratio = "–"
        if self.ratio is not None and self.ratio_quartiles is not None:
            ratio = f"{self.ratio:.2f} ({self.ratio_quartiles[0]:.1f}–{self.ratio_quartiles[1]:.1f})"
        return (
            self.what,
            ratio,
            *(_milliseconds(seconds) for seconds in (self.ours_s, self.peer_s)),
            *("–" if seconds is None else f"{seconds:.1f} s" for seconds in (self.compile_ours_s, self.compile_peer_s)),
        )


@dataclasses.dataclass(frozen=True)
class BenchTable:
    """The rows of one run, and what they were run on."""

    title: str
    """What it is about."""
    rows: tuple[Row, ...]
    """The comparisons."""
    left_out: tuple[str, ...]
    """What could not be compared, why, and what to do about it; one line each."""
    context: dict[str, Any]
    """Device, versions and the like."""

    def notes(self) -> list[str]:
        """All that is said beside the table, in lines."""
        ratio = "ratio: the peer's median time through ours (quartiles over the rounds); above 1, ours is faster"
        rows = [f"{row.what}: against {row.peer}" + (f"; {row.note}" if row.note else "") for row in self.rows]
        return [ratio, *rows, *self.left_out]

    def print(self, console: Console) -> None:
        """Print the table and what belongs to it."""
        table = Table(title=self.title, box=SIMPLE, pad_edge=False)
        table.add_column(_HEADINGS[0])
        for heading in _HEADINGS[1:]:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row.cells())
        console.print(table)
        for line in (*self.notes(), *self._context_lines()):
            console.print(line, markup=False, highlight=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a JSON file."""
        rows = [dataclasses.asdict(row) | {"ratio": row.ratio} for row in self.rows]
        return {"title": self.title, "rows": rows, "left_out": list(self.left_out), "context": self.context}

    def write(self, path: Path) -> None:
        """Write the numbers as .json, or the table as Markdown.

        Raises:
            InputError: The file cannot be written.
        """
        if path.suffix.lower() == ".json":
            content = json.dumps(self.as_dict(), indent=2, ensure_ascii=False)
        else:
            lines = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 1)), *(row.cells() for row in self.rows)]
            table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
            beside = "\n".join(f"- {line}" for line in (*self.notes(), *self._context_lines()))
            content = f"# {self.title}\n\n{table}\n\n{beside}"
        with whole_file(path) as unfinished:
            unfinished.write_text(content + "\n", encoding="utf-8")

    def _context_lines(self) -> list[str]:
        return [f"{key}: {_as_text(value)}" for key, value in self.context.items()]


def machine() -> dict[str, Any]:
    """What the numbers depend on: device, processor, load of the machine before the run, and versions."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    device = jax.devices()[0]
    return {
        "device": f"{device.platform}, {device.device_kind}",
        "processor": _processor(),
        "cores": cores(),
        "load average before the run": [round(load, 2) for load in os.getloadavg()],
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "not reached"
    return f"{1e3 * seconds:.{max(0, 2 - int(np.floor(np.log10(max(1e3 * seconds, 0.1)))))}f} ms"


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

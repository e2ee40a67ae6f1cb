"""What a plot shows, beside its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are written during a test, which are written coarsely."""
    found: list[Figure] = []
    write = Figure.savefig

    def coarse(self: Figure, path: Path, **options: Any) -> None:
        found.append(self)
        write(self, path, **(options | {"dpi": 40}))

    monkeypatch.setattr(Figure, "savefig", coarse)
    return found

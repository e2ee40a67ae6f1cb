"""What a face field is trained on: which prior, how many heads and skulls. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class FaceData:
    """Of the cohort that training draws from."""

    heads: int = 10_240
    """With signed distances, made once and kept; skulls for them are drawn afresh at every step."""
    queries_per_head: int = 2_048
    """Signed distances kept of each head."""
    queries: int = 192
    """Of them, those that one step looks at."""
    skull_points: int = 8_192
    """Of each skull. Other points of the same skull move the face that the shipped field reads from so many by 1.1 mm,
    from a quarter of them by 2.2: measured as told in `s2f.skull_reading`."""
    seed: int = 7
    """Of the heads."""
    undamaged: float = 0.25
    """Share of the skulls to which nothing happens; the others have default damage."""
    fullness_known: float = 0.4
    """Share of the skulls whose fullness the network is told."""
    regression_skulls: int = 6_000
    """Whole skulls that the first estimate is fitted on."""
    validation: int = 96
    """Skulls of other heads, half of them undamaged, that validation looks at."""
    prior: Path | None = None
    """An anatomy prior of `s2f build-prior`; None for the shipped one."""
    jaw: Path | None = None
    """How the prior's head opens its mouth, of `s2f build-jaw`; None for the shipped one."""
    pose_errors: Path | None = None
    """Of the aligner, of `s2f bench align --out`; None for the shipped ones."""
    cache: Path | None = None
    """Folder in which heads are kept between runs; None for `s2f/heads` in the user's cache."""

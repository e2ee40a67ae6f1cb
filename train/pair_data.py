"""What a trained field is fine-tuned on: which pairs, and how much of the cohort besides. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from train.face_data import FaceData


@dataclasses.dataclass(frozen=True)
class PairData(FaceData):
    """Skull–face pairs, and the cohort that is trained on beside them. `regression_skulls` is of no effect: the first
    estimate is the model's own."""

    pairs: tuple[Path, ...] = ()
    """Folders of pairs (`data.pairs.folders`): a folder per case, in it a skull.ply and a face.ply, in mm."""
    held_out: tuple[Path, ...] = ()
    """Folders of pairs that are validated on; if none are given, these are some of `pairs`."""
    held_out_every: int = 5
    """Of so many pairs, one is held out."""
    cohort_share: float = 0.5
    """Share of each batch that is drawn from the cohort, whose faces' codes are known: without it a model forgets, and
    grows too sure of itself, for distances alone reward a narrow posterior. 0 for none, which spares making heads."""
    kept_skull_points: int = 32_768
    """Of each pair's skull, that training chooses from: 24 bytes each, 0.8 MB."""
    kept_queries: int = 65_536
    """Of each pair's signed distances, that training chooses from: 16 bytes each, 1.0 MB."""
    heads: int = 1_024
    """With signed distances, made once and kept."""

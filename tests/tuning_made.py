"""What fine-tuning needs, small: a tiny model's file, and two people as pairs whose records say where they lie."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np

from data.mesh_files import write_mesh
from data.pairs.record import PairRecord, write_record
from fields.face_model_file import write_face_model
from tests.fields_made import tiny_model
from tests.skulls_made import case

_FOLDER = tempfile.TemporaryDirectory(prefix="s2f-tuning-")
SEEDS = (0, 1)
SMALL = ["--data.kept-skull-points", "1024", "--data.kept-queries", "1024", "--data.skull-points", "512"]
"""Options of the command."""


@functools.cache
def model_file() -> Path:
    """Of `tests.fields_made.tiny_model`."""
    path = Path(_FOLDER.name) / "tiny.npz"
    write_face_model(path, tiny_model(), {"credit": "Made of nobody."})
    return path


@functools.cache
def pairs_folder(name: str = "pairs") -> Path:
    """Two people; the same ones in a folder of another name."""
    folder = Path(_FOLDER.name) / name
    for seed in SEEDS:
        made, place = case(seed), folder / f"person{seed}"
        place.mkdir(parents=True)
        write_mesh(place / "skull.ply", made.skull)
        write_mesh(place / "face.ply", made.head)
        write_record(place / "record.json", PairRecord(T_head_input_aligned=np.eye(4), fullness=0.5 if seed else None))
    return folder

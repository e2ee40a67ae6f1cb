"""Pairs on disk whose records tell where they lie, and predictions whose errors are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from data.mesh_files import write_mesh
from data.pairs.folders import Pair
from data.pairs.record import PairRecord, write_record
from eval.evaluation import TimedPrediction
from eval.field.scores import Prediction
from eval.subject import Subject
from fields.mesh import Mesh
from tests.skulls_made import Case, shipped_prior

ABOUT: dict[str, Any] = {
    "format": "s2f submission 1",
    "method": "of the tests",
    "aligned_to_truth": False,
    "fullness_told": False,
}


def mean_case() -> Case:
    """The prior's mean person."""
    prior = shipped_prior()
    return Case(prior.skull, prior.head_mesh(), prior.landmark_points())


def write_told_pair(folder: Path, made: Case, T_input_head: np.ndarray, *, fullness: float | None = None) -> Pair:
    """A person on disk with a record that tells where it lies. Rigid: the files are in mm."""
    pair = Pair(folder, folder / "skull.ply", folder / "face.ply")
    write_mesh(pair.skull, made.skull.transformed(T_input_head))
    write_mesh(pair.face, made.head.transformed(T_input_head))
    T_head_input = np.linalg.inv(T_input_head)
    record = PairRecord(
        generator="test", T_head_input_true=T_head_input, T_head_input_aligned=T_head_input, fullness=fullness
    )
    landmarks = {name: point.tolist() for name, point in made.landmarks.items()}
    write_record(pair.record, record, more={"mm_per_unit": 1.0, "landmarks_head_mm": landmarks})
    return pair


def write_submission(folder: Path, meshes: dict[str, Mesh], **about: Any) -> Path:
    """A folder of predictions; `about` replaces entries of its `submission.json`."""
    for name, mesh in meshes.items():
        write_mesh(folder / f"{name}.ply", mesh)
    folder.mkdir(exist_ok=True)
    (folder / "submission.json").write_text(json.dumps(ABOUT | about))
    return folder


def swollen(mesh: Mesh, by: float) -> Mesh:
    """A mesh whose vertices are moved outward along their normals."""
    return Mesh(mesh.vertices + by * mesh.vertex_normals(), mesh.faces)


@dataclasses.dataclass(frozen=True)
class Swollen:
    """A method whose faces are the true ones, swollen."""

    by: float
    sd_mm: float | None = None
    samples: tuple[float, ...] = ()
    """Swellings of sampled faces."""

    def __call__(self, subject: Subject) -> TimedPrediction:
        """The true face, swollen."""
        head = subject.truth.head
        sd = None if self.sd_mm is None else np.full(len(head.vertices), self.sd_mm)
        drawn = [swollen(head, by) for by in self.samples]
        return TimedPrediction(Prediction(swollen(head, self.by), sd, drawn), 2.0)

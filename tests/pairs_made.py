"""Skull–face pairs made of spheres: small, and their distances are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.mesh_files import write_mesh
from data.pairs.folders import Pair
from data.pairs.pools import PoolSizes
from data.pairs.record import PairRecord, write_record
from fields.mesh import Mesh
from tests.data_made import sphere
from tests.skulls_made import pose

SIZES = PoolSizes(skull_points=300, queries=500)
FACE_RADIUS, SKULL_RADIUS = 95.0, 80.0


def rigid(seed: int = 5) -> np.ndarray:
    """A transform from files to the head frame."""
    return np.linalg.inv(pose(seed))


def write_pair(
    folder: Path, *, record: PairRecord | None = None, face: Mesh | None = None, radius: float = FACE_RADIUS
) -> Pair:
    """A pair of spheres about the origin of the head frame, in the files' frame of its record."""
    record = record or PairRecord(T_head_input_aligned=np.eye(4))
    assert record.T_head_input_aligned is not None
    T_input_head = np.linalg.inv(record.T_head_input_aligned)
    pair = Pair(folder, folder / "skull.ply", folder / "face.ply")
    write_mesh(pair.skull, sphere(SKULL_RADIUS).transformed(T_input_head))
    write_mesh(pair.face, (face or sphere(radius)).transformed(T_input_head))
    write_record(pair.record, record)
    return pair


def cut_sphere(radius: float = FACE_RADIUS, *, top: float = 40.0, subdivisions: int = 4) -> Mesh:
    """A sphere without what lies above a plane."""
    whole = sphere(radius, subdivisions=subdivisions)
    return Mesh(whole.vertices, whole.faces[whole.vertices[whole.faces][:, :, 1].max(axis=1) < top])

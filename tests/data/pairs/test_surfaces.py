"""Reading a pair's surfaces: a user's are cleaned, ours are shown as they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.mesh_files import write_mesh
from data.pairs.surfaces import read_surface
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import sphere


@pytest.mark.parametrize("made", [False, True])
def test_crumbs_are_taken_from_scans_alone(made: bool, tmp_path: Path) -> None:
    ball = sphere(80.0)
    crumb = np.array([[200.0, 0.0, 0.0], [201.0, 0.0, 0.0], [200.0, 1.0, 0.0]])
    both = Mesh(
        np.concatenate([ball.vertices, crumb]),
        np.concatenate([ball.faces, len(ball.vertices) + np.array([[0, 1, 2]])]),
    )
    write_mesh(tmp_path / "skull.ply", both)
    kept = read_surface(tmp_path / "skull.ply", made=made)
    assert len(kept.faces) == len(ball.faces) + made


def test_another_unit_is_refused(tmp_path: Path) -> None:
    write_mesh(tmp_path / "skull.ply", sphere(0.08))
    with pytest.raises(InputError, match="too small for mm"):
        read_surface(tmp_path / "skull.ply", made=True)

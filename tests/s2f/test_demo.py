"""The demo case: what it is made of, and the whole run."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

import s2f
from data.mesh_files import read_mesh
from data.shipped import FIELD
from fields.distance import DistanceScene
from fields.mesh import Mesh
from s2f.demo import make_demo, run_demo
from s2f.reconstruction import Reconstructor


@pytest.fixture(scope="module")
def reconstructor() -> Reconstructor:
    return s2f.load()


@pytest.fixture(scope="module")
def made(reconstructor):
    return make_demo(reconstructor)


def test_the_case_is_always_the_same(reconstructor, made):
    again = make_demo(reconstructor)
    np.testing.assert_array_equal(made[0].vertices, again[0].vertices)
    np.testing.assert_array_equal(made[1].vertices, again[1].vertices)
    assert made[2] == again[2]


def test_the_case_is_in_metres_turned_and_moved(reconstructor, made):
    skull, face, _ = made
    assert 0.2 < skull.diagonal() < face.diagonal() < 0.6
    assert np.linalg.norm(skull.vertices.mean(axis=0)) > 0.1
    untold = reconstructor.prior.head_mesh()
    normal, axis = untold.face_normals().T @ untold.face_areas(), face.vertices - face.vertices.mean(axis=0)
    assert np.isfinite(normal).all()
    # The head's long axis is far from where the head frame has it.
    upright = untold.vertices - untold.vertices.mean(axis=0)
    turned = np.linalg.svd(axis, full_matrices=False)[2][0] @ np.linalg.svd(upright, full_matrices=False)[2][0]
    assert abs(turned) < 0.95


def test_the_case_is_not_the_mean(made):
    about = made[2]
    assert max(abs(beta) for beta in about["leading_betas"]) >= 2.0
    np.testing.assert_allclose(about["betas"][:3], about["leading_betas"], atol=0.01)
    json.dumps(about)


def test_the_bone_lies_under_the_skin(made):
    skull, face, _ = made
    millimetres = DistanceScene(Mesh(face.vertices * 1e3, face.faces)).signed_distance(skull.vertices * 1e3)
    assert millimetres.max() < -1.5


def test_the_demo_writes_face_record_and_picture(tmp_path):
    shown = io.StringIO()
    face = run_demo(tmp_path, Console(file=shown, width=200))
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {"face.sd.json"} == {"face.obj", "face.json", "face.png", "skull.ply", "true_face.ply"}
    assert ("face.sd.json" in names) == FIELD.is_file()
    assert "face.obj" in shown.getvalue()
    record = json.loads((tmp_path / "face.json").read_text(encoding="utf-8"))
    assert record["unit"] == "m"
    assert record["representation"] == ("hybrid" if FIELD.is_file() else "parametric")
    assert record["error"]["region"] == "face"
    mean = record["error"]["errors"]["true_to_predicted"]["mean_mm"]
    assert 0.0 < mean < 5.0
    assert record["demo"]["seed"] == record["seed"]
    assert record["input"]["path"].endswith("skull.ply")
    true, written = read_mesh(tmp_path / "true_face.ply"), read_mesh(tmp_path / "face.obj")
    np.testing.assert_allclose(written.vertices, face.mesh.vertices, atol=1e-6)
    assert 1e3 * DistanceScene(true).distance(written.vertices).mean() < 6.0
    assert (tmp_path / "face.png").stat().st_size > 50_000

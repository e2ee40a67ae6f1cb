"""The Python API with a trained field: its record, its files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import s2f
import s2f.reconstruction
from data.fittable_head import FittableHead
from data.mesh_files import read_mesh
from data.shipped import PRIOR_ICT
from fields.face_model_file import write_face_model
from fields.mesh import transform_points
from flame_jax.errors import InputError
from s2f.field_file import TrainedField
from s2f.reconstruction import Reconstructor
from tests.fields_made import TEMPERATURE, TINY, tiny_model
from tests.skulls_made import alignment, case, shipped_prior

SEED = 1
KEYS = {
    "what", "representation", "route", "unit", "mm_per_unit", "T_head_input", "landmarks_head_mm", "landmarks_input",
    "landmarks_placed_by_user", "landmarks_missing", "alignment", "head", "fullness", "least_skin_over_bone_mm",
    "warnings", "not_modelled", "timings_s", "credit", "field", "uncertainty", "samples",
}  # fmt: skip


@pytest.fixture(scope="module")
def by_field() -> Reconstructor:
    prior = shipped_prior()
    field = TrainedField(tiny_model(), {"credit": "Trained by nobody"}, Path("made.npz"), "0" * 64)
    return Reconstructor(prior, FittableHead.of_prior(prior), field)


@pytest.fixture(autouse=True)
def aligned_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the alignment its seconds."""
    monkeypatch.setattr(s2f.reconstruction, "align_skull", lambda *_, **__: alignment(SEED))


def test_a_face_by_a_field(by_field):
    metres = case(SEED).skull.transformed(np.diag([1e-3, 1e-3, 1e-3, 1.0]))
    made = by_field.reconstruct(metres.vertices, metres.faces, samples=2)
    record = json.loads(json.dumps(made.record, allow_nan=False))
    assert set(record) == KEYS
    assert (record["representation"], record["unit"]) == ("hybrid", "m")
    head = record["head"]
    own = shipped_prior().head.shapedirs.shape[2]
    assert len(head["betas"]) == len(head["betas_sd"]) == own
    assert len(head["residual"]) == len(head["residual_sd"]) == TINY.residual_modes
    assert len(head["turn_rad"]) == len(head["move_mm_sd"]) == 3
    assert head["jaw_opening"] >= 0.0
    assert record["field"]["sha256"] == "0" * 64
    assert record["field"]["temperature"] == TEMPERATURE
    assert record["field"]["told_fullness"] is False
    assert 0.0 < record["field"]["evaluations_share"] < 0.05
    assert record["uncertainty"]["regions"]["face"]["sd_mm"] > 0.5
    assert "Trained by nobody" in record["credit"]
    assert {"reading the skull", "making the surface", "drawing samples"} < set(record["timings_s"])
    assert any(text.startswith("fullness") for text in record["not_modelled"])
    T_head_input = np.array(record["T_head_input"])
    np.testing.assert_allclose(
        transform_points(T_head_input, made.mesh.vertices), made.head_frame_mesh.vertices, atol=1e-6
    )
    assert made.uv_faces is not None
    assert len(made.uv_faces) == len(made.mesh.faces)
    for sample in made.samples:
        assert 0.1 < 1e3 * np.abs(sample.vertices - made.mesh.vertices).mean() < 10.0


def test_a_face_by_a_field_is_written_whole(by_field, tmp_path, monkeypatch):
    skull = case(SEED).skull
    made = by_field.reconstruct(skull.vertices, skull.faces, samples=2, representation="implicit")
    assert made.uv is None
    out = tmp_path / "face.ply"
    made.write(out, picture=False)
    names = ["face.json", "face.ply", "face.sd.json", "face_001.ply", "face_002.ply"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    record = json.loads((tmp_path / "face.json").read_text(encoding="utf-8"))
    assert record["samples"]["files"] == ["face_001.ply", "face_002.ply"]
    spread = json.loads((tmp_path / "face.sd.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(spread["sd_mm"], made.sd_mm, atol=0.006)
    assert b"property double sd_mm" in out.read_bytes()[:4000]
    assert len(read_mesh(out).vertices) == len(spread["sd_mm"])
    for number, sample in enumerate(made.samples, start=1):
        assert len(read_mesh(tmp_path / f"face_{number:03d}.ply").faces) == len(sample.faces)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full_disk(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full_disk)
    with pytest.raises(InputError, match="No space left"):
        by_field.reconstruct(skull.vertices, skull.faces, samples=1).write(out, picture=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_field_does_not_read_landmarks(by_field):
    skull = case(SEED).skull
    found = alignment(SEED).landmarks["zy_l"].tolist()
    options = {"landmarks": {"zy_l": found}, "representation": "parametric", "fullness": 1.0}
    made = by_field.reconstruct(skull.vertices, skull.faces, **options)
    assert any("your landmarks do not move the face" in text for text in made.record["warnings"])
    assert made.record["field"]["told_fullness"] is True
    assert not any(text.startswith("fullness") for text in made.record["not_modelled"])
    assert set(made.record["head"]["residual"]) == {0.0}
    with pytest.raises(InputError, match="no representation is named splats"):
        by_field.reconstruct(skull.vertices, skull.faces, representation="splats")


def test_a_field_that_is_given_is_loaded(tmp_path, monkeypatch):
    write_face_model(tmp_path / "model.npz", tiny_model(), {"credit": "made up"})
    assert s2f.load(checkpoint=tmp_path).field is not None
    with pytest.raises(InputError, match="--classic"):
        s2f.load(checkpoint=tmp_path, classic=True)
    with pytest.raises(InputError, match="another anatomy prior"):
        s2f.load(checkpoint=tmp_path, prior=PRIOR_ICT)
    monkeypatch.setattr(s2f.reconstruction, "FIELD", tmp_path / "model.npz")
    assert s2f.load().field is not None
    assert s2f.load(classic=True).field is None
    monkeypatch.setattr(s2f.reconstruction, "FIELD", tmp_path / "absent.npz")
    assert s2f.load().field is None

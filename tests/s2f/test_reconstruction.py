"""The Python API: the same face in every pose and unit, its record, and its files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import s2f
import s2f.reconstruction
from data.fittable_head import FittableHead
from data.landmarks import ALL_KEYS
from data.mesh_files import read_mesh
from fields.mesh import transform_points
from flame_jax.errors import InputError
from s2f.reconstruction import Face, Reconstructor
from tests.skulls_made import alignment, case, pose, shipped_prior

ROOT = Path(__file__).parents[2]
SEED = 1
KEYS = {
    "what", "representation", "route", "unit", "mm_per_unit", "T_head_input", "landmarks_head_mm", "landmarks_input",
    "landmarks_placed_by_user", "landmarks_missing", "alignment", "head", "fullness", "depths", "depth_misfit_mean_mm",
    "least_skin_over_bone_mm", "warnings", "not_modelled", "timings_s", "credit",
}  # fmt: skip


@pytest.fixture(scope="module")
def reconstructor() -> Reconstructor:
    return Reconstructor(shipped_prior(), FittableHead.of_prior(shipped_prior()))


@pytest.fixture(scope="module")
def face(reconstructor: Reconstructor) -> Face:
    """Of a skull that lies in the head frame, in mm."""
    skull = case(SEED).skull
    return reconstructor.reconstruct(skull.vertices, skull.faces)


@pytest.fixture
def aligned_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares tests of what comes after the alignment its seconds."""
    monkeypatch.setattr(s2f.reconstruction, "align_skull", lambda *_, **__: alignment(SEED))


@pytest.mark.parametrize(("unit", "per_mm", "seed"), [("mm", 1.0, 11), ("m", 1e-3, 12), ("cm", 0.1, 13)])
def test_the_same_face_in_any_pose_and_unit(reconstructor, face, unit, per_mm, seed):
    at = pose(seed, per_mm)
    moved = case(SEED).skull.transformed(at)
    there = reconstructor.reconstruct(moved.vertices, moved.faces)
    assert there.record["unit"] == unit
    gap = transform_points(np.linalg.inv(at), there.mesh.vertices) - face.mesh.vertices
    assert np.linalg.norm(gap, axis=1).mean() < 0.5
    np.testing.assert_allclose(np.array(there.record["T_head_input"]) @ at, face.record["T_head_input"], atol=0.5)


def test_the_record_is_plain_data(face):
    record = json.loads(json.dumps(face.record, allow_nan=False))
    assert set(record) == KEYS
    assert record["what"] == "facial approximation – not an identification"
    assert record["representation"] == "parametric"
    assert record["fullness"] is None
    assert set(record["landmarks_head_mm"]) == set(ALL_KEYS)
    assert record["landmarks_missing"] == record["landmarks_placed_by_user"] == []
    assert record["depth_misfit_mean_mm"] < 1.5
    assert record["least_skin_over_bone_mm"] >= 0.5
    assert any("mm" in text for text in record["warnings"])
    assert {"ancestry", "age", "sex", "hair"} < set(record["not_modelled"])
    assert any(text.startswith("fullness") for text in record["not_modelled"])
    assert shipped_prior().credit in record["credit"]
    assert len(record["head"]["betas"]) == len(record["head"]["betas_sd"])
    assert record["alignment"]["mandible"] is True
    assert set(record["timings_s"]) == {"cleaning the skull", "aligning the skull", "fitting the head"}


def test_the_frames_of_a_face_agree(face):
    T_head_input = np.array(face.record["T_head_input"])
    np.testing.assert_allclose(
        transform_points(T_head_input, face.mesh.vertices), face.head_frame_mesh.vertices, atol=1e-6
    )
    for key, point in face.record["landmarks_input"].items():
        np.testing.assert_allclose(
            transform_points(T_head_input, np.array(point)), face.record["landmarks_head_mm"][key], atol=1e-6
        )
    assert len(face.head_frame_skull.faces) > 0.9 * len(case(SEED).skull.faces)
    assert face.uv is not None
    assert face.uv_faces is not None
    assert len(face.uv_faces) == len(face.mesh.faces)


@pytest.mark.usefixtures("aligned_already")
def test_landmarks_that_the_user_placed_are_used(reconstructor, face):
    skull, to_metres = case(SEED).skull, np.diag([1e-3, 1e-3, 1e-3, 1.0])
    found = np.array(face.record["landmarks_input"]["zy_l"])
    placed = (found + np.array([10.0, 0.0, 0.0])) * 1e-3
    moved = skull.transformed(to_metres)
    wider = reconstructor.reconstruct(moved.vertices, moved.faces, landmarks={"zy_l": placed.tolist()})
    np.testing.assert_allclose(wider.record["landmarks_input"]["zy_l"], placed, atol=1e-9)
    assert wider.record["landmarks_placed_by_user"] == ["zy_l"]
    point = np.array(face.record["landmarks_head_mm"]["zy_l"])

    def width(face: Face) -> float:
        near = np.linalg.norm(face.head_frame_mesh.vertices - point, axis=1) < 25.0
        return float(face.head_frame_mesh.vertices[near, 0].max())

    assert width(wider) > width(face) + 2.0


@pytest.mark.usefixtures("aligned_already")
def test_fullness_is_recorded(reconstructor, face):
    skull = case(SEED).skull
    full = reconstructor.reconstruct(skull.vertices, skull.faces, fullness=2.0)
    assert full.record["fullness"] == 2.0
    assert not any(text.startswith("fullness") for text in full.record["not_modelled"])
    for key in ("go_l", "zy_r", "mr_l"):
        assert full.record["depths"][key]["target_mm"] > face.record["depths"][key]["target_mm"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"representation": "implicit"}, "representation implicit cannot be made without a trained field"),
        ({"samples": 3}, "samples cannot be made without a trained field"),
        ({"landmarks": {"zz": [0.0, 0.0, 0.0]}}, "no landmark is named zz"),
        ({"vertices": np.zeros((0, 3)), "faces": np.zeros((0, 3), dtype=np.int32)}, "at least one face"),
        ({"vertices": np.full((3, 3), np.nan), "faces": np.array([[0, 1, 2]])}, "not finite"),
        ({"vertices": np.zeros((3, 3)), "faces": np.array([[0, 1, 2]])}, "nothing is left after cleaning"),
    ],
)
@pytest.mark.usefixtures("aligned_already")
def test_what_cannot_be_reconstructed(reconstructor, change, words):
    arguments = {"vertices": case(SEED).skull.vertices, "faces": case(SEED).skull.faces} | change
    with pytest.raises(InputError, match=words):
        reconstructor.reconstruct(**arguments, source="skull.obj")


def test_writing_makes_mesh_record_and_picture(face, tmp_path):
    out = tmp_path / "new" / "face.obj"
    face.write(out, extra_record={"seed": 0})
    assert sorted(path.name for path in out.parent.iterdir()) == ["face.json", "face.obj", "face.png"]
    written = read_mesh(out)
    np.testing.assert_allclose(written.vertices, face.mesh.vertices, atol=1e-3)
    np.testing.assert_array_equal(written.faces, face.mesh.faces)
    assert face.record["credit"].splitlines()[0] in out.read_text(encoding="utf-8")
    record = json.loads((tmp_path / "new" / "face.json").read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(face.record)) | {"seed": 0}
    assert (tmp_path / "new" / "face.png").read_bytes().startswith(b"\x89PNG")


def test_writing_over_an_earlier_face(face, tmp_path):
    for name in ("face.ply", "face.json"):
        (tmp_path / name).write_text("earlier")
    face.write(tmp_path / "face.ply", picture=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.json", "face.ply"]
    assert read_mesh(tmp_path / "face.ply").vertices.shape == face.mesh.vertices.shape


def test_a_place_under_a_file_gets_nothing(face, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        face.write(tmp_path / "taken" / "face.obj", picture=False)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_gets_nothing(face, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            face.write(folder / "face.obj", picture=False)
        assert list(folder.iterdir()) == []
    finally:
        folder.chmod(0o700)


def test_a_write_that_breaks_off_leaves_no_half_file(face, tmp_path, monkeypatch):
    def full_disk(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full_disk)
    with pytest.raises(InputError, match="No space left"):
        face.write(tmp_path / "face.obj", picture=False)
    assert list(tmp_path.iterdir()) == []


def test_importing_s2f_is_quick_and_loading_is_lazy():
    program = (
        "import sys, s2f\n"
        "heavy = {'jax', 'open3d', 'numpy', 's2f.reconstruction'}\n"
        "assert not heavy & set(sys.modules)\n"
        "assert s2f.load.__module__ == 's2f.reconstruction'\n"
        "assert 's2f.reconstruction' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_s2f_has_what_it_names():
    assert all(hasattr(s2f, name) for name in s2f.__all__)
    with pytest.raises(AttributeError, match="lode"):
        s2f.lode  # noqa: B018


def test_load_reads_the_shipped_prior():
    loaded = s2f.load()
    assert loaded.head.model is loaded.prior.head
    np.testing.assert_array_equal(loaded.prior.skull.vertices, shipped_prior().skull.vertices)


def test_a_reconstructor_cannot_be_changed(reconstructor):
    with pytest.raises(dataclasses.FrozenInstanceError):
        reconstructor.prior = None


@pytest.mark.parametrize("option", ["prior", "head_model", "checkpoint"])
def test_load_names_the_file_that_is_missing(tmp_path, option):
    with pytest.raises(InputError, match=r"absent\.npz"):
        s2f.load(**{option: tmp_path / "absent.npz"})

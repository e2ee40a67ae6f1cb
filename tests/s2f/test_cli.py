"""The command line: what it starts, what it passes on, what it says and what it writes."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import s2f
from data.landmarks import ALL_KEYS
from data.mesh_files import read_mesh, write_mesh
from data.shipped import PRIOR
from fields.mesh import Mesh
from flame_jax.errors import InputError
from s2f import cli
from s2f.cli import COMMANDS, main
from s2f.provenance import sha256_of
from tests.data_made import joined, sphere
from tests.volumes_made import head_phantom, write_dicom_series

ROOT = Path(__file__).parents[2]
HEAVY = {"jax", "open3d", "numpy", "scipy", "trimesh", "SimpleITK", "matplotlib", "rich"}


def mesh_file(path: Path, mesh: Mesh) -> Path:
    write_mesh(path, mesh)
    return path


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments):
    program = (
        "import sys\nfrom s2f.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"except SystemExit as end:\n    sys.exit(end.code or sorted({HEAVY!r} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: s2f" in done.stdout


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for name in ("preprocess", "reconstruct", "compare", "build-prior", "build-jaw", "demo", "doctor"):
        assert name in shown
    assert "not an identification" in " ".join(shown.split())


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"s2f {importlib.metadata.version('s2f')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["reconstrct", "skull.obj"],
        ["reconstruct", "skull.obj"],
        ["reconstruct", "a.obj", "--out", "b.obj", "--sample"],
    ],
)
def test_bad_usage_is_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def command_that(raises: BaseException) -> type:
    @dataclasses.dataclass(frozen=True)
    class Command:
        """Ends by an exception."""

        def run(self) -> int:
            raise raises

    return Command


def test_an_input_error_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "demo", command_that(InputError("skull.obj: two\n  lines")))
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "s2f: skull.obj: two lines\n"


def test_an_interrupt_is_quiet(capsys, monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "demo", command_that(KeyboardInterrupt()))
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "demo", command_that(ValueError("a fault")))
    with pytest.raises(ValueError, match="a fault"):
        main(["demo"])


# preprocess


def test_preprocess_keeps_frame_and_unit(capsys, tmp_path):
    metres = sphere(0.12, centre=(3.0, -1.0, 0.5))
    skull, out = mesh_file(tmp_path / "skull.stl", metres), tmp_path / "new" / "clean.ply"
    assert main(["preprocess", str(skull), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "in m\n" in shown
    assert "unit taken for m" in shown
    np.testing.assert_allclose(read_mesh(out).vertices.mean(axis=0), [3.0, -1.0, 0.5], atol=1e-6)
    assert read_mesh(out).diagonal() == pytest.approx(metres.diagonal(), rel=1e-5)


def test_preprocess_to_millimetres_with_fewer_triangles_without_crumbs(capsys, tmp_path):
    centimetres = joined(sphere(12.0, subdivisions=5), sphere(0.01, centre=(14.0, 0.0, 0.0)))
    skull, out = mesh_file(tmp_path / "skull.obj", centimetres), tmp_path / "clean.obj"
    assert main(["preprocess", str(skull), "--out", str(out), "--unit", "cm", "--to-mm", "--faces", "2000"]) == 0
    assert "in mm\n" in capsys.readouterr().out
    clean = read_mesh(out)
    np.testing.assert_allclose(clean.vertices.max(axis=0), 120.0, rtol=0.01)
    assert len(clean.faces) <= 2000


@pytest.fixture(scope="module")
def phantom_folder(tmp_path_factory):
    import SimpleITK as sitk

    phantom = head_phantom(4.0)
    image = sitk.GetImageFromArray(phantom.hounsfield.astype(np.int16))
    image.SetSpacing(phantom.spacing.tolist())
    image.SetOrigin(phantom.origin.tolist())
    folder = tmp_path_factory.mktemp("dicom")
    write_dicom_series(folder, image, "1.2.3.5")
    return folder


def test_preprocess_finds_bone_and_skin_in_the_scanner_s_frame(capsys, tmp_path, phantom_folder):
    bone, skin = tmp_path / "bone.ply", tmp_path / "skin.ply"
    assert main(["preprocess", str(phantom_folder), "--out", str(bone)]) == 0
    assert main(["preprocess", str(phantom_folder), "--tissue", "skin", "--out", str(skin)]) == 0
    assert capsys.readouterr().out.count("in mm\n") == 2
    assert read_mesh(bone).vertices[:, 2].max() == pytest.approx(50.0, abs=2.0)
    assert read_mesh(skin).vertices[:, 2].max() == pytest.approx(62.0, abs=2.0)


# reconstruct, with a stand-in for the reconstruction itself


class StandIn:
    """Notes what it is called with and returns the skull as its face."""

    def __init__(self) -> None:
        self.loaded: dict[str, Any] = {}
        self.called: dict[str, Any] = {}
        self.written: dict[str, Any] = {}

    def load(self, **files: Any) -> StandIn:
        self.loaded = files
        return self

    def reconstruct(self, vertices: np.ndarray, faces: np.ndarray, **options: Any) -> SimpleNamespace:
        self.called = {"vertices": vertices, "faces": faces} | options

        def write(path: Path, *, extra_record: dict[str, Any], picture: bool) -> None:
            self.written = {"path": path, "picture": picture, "record": json.loads(json.dumps(extra_record))}

        record: dict[str, Any] = {"unit": "mm", "warnings": ["the jaw is open"], "timings_s": {"fitting": 1.5}}
        record["representation"] = "hybrid"
        record["depth_misfit_mean_mm"] = 0.8
        return SimpleNamespace(mesh=Mesh(vertices, faces), record=record, write=write)


@pytest.fixture
def stand_in(monkeypatch):
    made = StandIn()
    monkeypatch.setitem(vars(s2f), "load", made.load)
    return made


def test_reconstruct_passes_everything_on(capsys, tmp_path, stand_in):
    skull = mesh_file(tmp_path / "skull.obj", sphere(12.0))
    marks = tmp_path / "marks.json"
    marks.write_text(json.dumps({"n": [1, 2, 3], "zy_l": [4, 5, 6.5]}))
    out, prior, model = tmp_path / "face.glb", tmp_path / "p.npz", tmp_path / "m.pkl"
    prior.write_text("prior")
    model.write_text("model")
    options = ["--landmarks", str(marks), "--unit", "cm", "--bmi", "25", "--force", "--no-picture", "--samples", "2"]
    options += ["--checkpoint", str(tmp_path)]
    assert (
        main(
            ["reconstruct", str(skull), "--out", str(out), *options, "--prior", str(prior), "--head-model", str(model)]
        )
        == 0
    )
    assert stand_in.loaded == {"prior": prior, "head_model": model, "checkpoint": tmp_path, "classic": False}
    called = stand_in.called
    np.testing.assert_array_equal(called.pop("vertices"), read_mesh(skull).vertices)
    np.testing.assert_array_equal(called.pop("faces"), read_mesh(skull).faces)
    assert called == {
        "unit": "cm",
        "fullness": 0.0,
        "landmarks": {"n": [1.0, 2.0, 3.0], "zy_l": [4.0, 5.0, 6.5]},
        "representation": None,
        "samples": 2,
        "force": True,
        "source": str(skull),
    }
    shown = capsys.readouterr().out
    assert str(out) in shown
    assert "the jaw is open" in shown
    assert "0.8 mm from their targets" in shown
    assert "face.png" not in shown
    assert "face_001.glb to face_002.glb" in shown


def test_reconstruct_the_classic_way(tmp_path, stand_in):
    skull = mesh_file(tmp_path / "skull.obj", sphere())
    options = ["--classic", "--representation", "parametric"]
    assert main(["reconstruct", str(skull), "--out", str(tmp_path / "face.obj"), *options]) == 0
    assert stand_in.loaded == {"prior": None, "head_model": None, "checkpoint": None, "classic": True}
    assert stand_in.called["representation"] == "parametric"


def test_reconstruct_records_where_the_face_comes_from(tmp_path, stand_in):
    skull = mesh_file(tmp_path / "skull.obj", sphere())
    assert main(["reconstruct", str(skull), "--out", str(tmp_path / "face.obj"), "--fullness", "-1.5"]) == 0
    assert stand_in.called["fullness"] == -1.5
    assert stand_in.written["path"] == tmp_path / "face.obj"
    assert stand_in.written["picture"]
    record = stand_in.written["record"]
    assert record["input"] == {"path": str(skull), "sha256": hashlib.sha256(skull.read_bytes()).hexdigest()}
    assert record["models"] == {"prior_sha256": sha256_of(PRIOR), "head_model_sha256": None}
    assert record["configuration"]["unit"] == "mm"
    assert record["configuration"]["fullness"] == -1.5
    assert record["configuration"]["representation"] == "hybrid"
    assert record["versions"]["jax"] == importlib.metadata.version("jax")
    assert record["seed"] == 0
    assert record["timings_s"]["fitting"] == 1.5
    assert {"reading the mesh", "reconstructing the face"} <= set(record["timings_s"])


def test_reconstruct_takes_the_bone_of_a_volume(tmp_path, stand_in, phantom_folder):
    options = ["--series", "1.2.3.5", "--threshold", "300"]
    assert main(["reconstruct", str(phantom_folder), "--out", str(tmp_path / "face.obj"), *options]) == 0
    assert stand_in.called["unit"] == "mm"
    assert stand_in.called["vertices"][:, 2].max() == pytest.approx(50.0, abs=2.0)
    assert stand_in.written["record"]["configuration"]["threshold"] == 300.0


# compare


def test_compare_prints_and_writes_the_figures(capsys, tmp_path):
    landmarks = {"n": [0, 22, 90], "me": [0, -90, 78], "po_l": [57, 0, 0], "po_r": [-57, 0, 0]}
    record = {"T_head_input": np.diag([10.0, 10.0, 10.0, 1.0]).tolist(), "mm_per_unit": 10.0}
    (tmp_path / "skull.json").write_text(json.dumps(record | {"landmarks_head_mm": landmarks}))
    predicted = mesh_file(tmp_path / "predicted.ply", sphere(11.2, subdivisions=5))
    true = mesh_file(tmp_path / "true.ply", sphere(11.0, subdivisions=5))
    out = tmp_path / "comparison.json"
    arguments = ["compare", str(predicted), str(true), "--skull", str(tmp_path / "skull.json"), "--out", str(out)]
    assert main(arguments) == 0
    assert "true → predicted" in capsys.readouterr().out
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["region"] == "face"
    assert figures["errors"]["true_to_predicted"]["mean_mm"] == pytest.approx(2.0, abs=0.05)
    assert figures["files"]["predicted"] == str(predicted)
    assert main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--region", "head", "--overwrite"]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["region"] == "head"


# build-prior


def test_all_forty_landmarks_are_asked_for_on_a_template(capsys, tmp_path):
    from tests.flame_made import flame_parts, write_npz

    model = write_npz(tmp_path / "model.npz", flame_parts())
    skull, marks = mesh_file(tmp_path / "skull.obj", sphere()), tmp_path / "marks.json"
    marks.write_text(json.dumps({key: [0, 0, 0] for key in ALL_KEYS if key != "n"}))
    table = tmp_path / "absent.csv"
    arguments = ["--skull-template", str(skull), "--skull-landmarks", str(marks), "--tissue-depth", str(table)]
    assert main(["build-prior", "--out", str(tmp_path / "p.npz"), "--head-model", str(model), *arguments]) == 2
    assert "has no n;" in capsys.readouterr().err

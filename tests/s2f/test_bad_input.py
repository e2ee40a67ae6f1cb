"""Bad input to the command: one line on stderr, exit status 2, no traceback, nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from data.mesh_files import write_mesh
from fields.mesh import Mesh
from s2f.cli import main
from tests.data_made import box, sphere
from tests.flame_made import flame_parts, write_npz
from tests.volumes_made import as_image, write_dicom_series

ROOT = Path(__file__).parents[2]
TRIANGLE = "v 0 0 0\nv 100 0 0\nv 0 100 200\nf 1 2 3\n"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def mesh_file(path: Path, made: Callable[[], Mesh] = sphere) -> Path:
    write_mesh(path, made())
    return path


def with_nan(path: Path) -> Path:
    text = mesh_file(path).read_text().splitlines()
    return written(path, "\n".join(["v nan 0 0", *text[1:]]))


def points_only(path: Path) -> Path:
    lines = mesh_file(path).read_text().splitlines()
    return written(path, "\n".join(line for line in lines if line.startswith("v ")))


def folder_of_notes(path: Path) -> Path:
    path.mkdir()
    written(path / "notes.txt", "no slices here")
    return path


def two_series(path: Path) -> Path:
    image = as_image(np.zeros((3, 8, 8)))
    for uid in ("1.2.3.1", "1.2.3.2"):
        write_dicom_series(path, image, uid)
    return path


def volume_file(path: Path, hounsfield: np.ndarray) -> Path:
    image = sitk.GetImageFromArray(hounsfield.astype(np.int16))
    image.SetSpacing((4.0, 4.0, 4.0))
    sitk.WriteImage(image, str(path))
    return path


def flesh_only(path: Path) -> Path:
    hounsfield = np.full((40, 40, 40), -1000.0)
    hounsfield[8:32, 8:32, 8:32] = 40.0
    return volume_file(path, hounsfield)


def out_of_range_index(path: Path) -> Path:
    return written(path, mesh_file(path).read_text() + "f 1 2 99999\n")


UNREADABLE: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "no file": ("skull.obj", lambda path: path, "no such file"),
    "no folder": ("dicom", lambda path: path, "no such file"),
    "no volume": ("ct.nii.gz", lambda path: path, "no such file"),
    "empty mesh": ("skull.ply", lambda path: written(path, b""), "empty"),
    "empty volume": ("ct.nrrd", lambda path: written(path, b""), "empty"),
    "OBJ of words": ("skull.obj", lambda path: written(path, "this is not a mesh\n"), "skull.obj"),
    "STL of noise": ("skull.stl", lambda path: written(path, bytes(range(256)) * 8), "skull.stl"),
    "PLY of noise": ("skull.ply", lambda path: written(path, bytes(range(256)) * 8), "not a PLY mesh"),
    "GLB of noise": ("skull.glb", lambda path: written(path, bytes(range(256)) * 8), "not a GLB mesh"),
    "volume of noise": ("ct.nii", lambda path: written(path, bytes(range(256)) * 8), "cannot be read as a volume"),
    "another kind of file": ("skull.txt", lambda path: written(path, TRIANGLE), "unknown kind of file '.txt'"),
    "NaN vertices": ("skull.obj", with_nan, "not finite"),
    "no faces": ("skull.obj", points_only, "no triangles"),
    "one triangle": ("skull.obj", lambda path: written(path, TRIANGLE), "only one triangle"),
    "faces of missing vertices": ("skull.obj", out_of_range_index, "skull.obj"),
    "folder without DICOM": ("dicom", folder_of_notes, "no DICOM"),
    "two series": ("dicom", two_series, "--series"),
    "volume without bone": ("ct.nii.gz", flesh_only, "no bone"),
    "no size of a skull": ("skull.obj", lambda path: mesh_file(path, lambda: sphere(7000.0)), "no size of a skull"),
}


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str | Path, out: Path) -> str:
    """The one line on stderr of a command that must refuse, and leave the folder of `out` as it was."""
    before = sorted(out.parent.iterdir()) if out.parent.exists() else None
    capfd.readouterr()
    status = main([str(argument) for argument in (*arguments, "--out", out)])
    captured = capfd.readouterr()
    assert status == 2, captured.err
    assert captured.out == ""
    assert captured.err.endswith("\n")
    (line,) = captured.err.splitlines()
    assert line.startswith("s2f: ")
    after = sorted(out.parent.iterdir()) if out.parent.exists() else None
    assert after == before
    return line


@pytest.mark.parametrize("command", ["reconstruct", "preprocess"])
@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_input(capfd, tmp_path, command, case):
    name, make, words = UNREADABLE[case]
    path = make(tmp_path / name)
    line = refusal(capfd, command, path, out=tmp_path / "results" / "face.obj")
    assert words in line
    assert name in line


@pytest.mark.parametrize("made", [sphere, box])
def test_what_is_no_skull(capfd, tmp_path, made):
    path = mesh_file(tmp_path / "thing.obj", made)
    line = refusal(capfd, "reconstruct", path, out=tmp_path / "results" / "face.obj")
    assert "thing.obj" in line
    assert "--force" in line


def test_what_is_no_skull_goes_on_with_force(capfd, tmp_path):
    path, out = mesh_file(tmp_path / "thing.obj"), tmp_path / "results" / "face.obj"
    assert main(["reconstruct", str(path), "--out", str(out), "--force", "--no-picture", "--classic"]) == 0
    assert "note  " in capfd.readouterr().out
    assert sorted(entry.name for entry in out.parent.iterdir()) == ["face.json", "face.obj"]


def test_a_series_that_is_not_there(capfd, tmp_path):
    folder = two_series(tmp_path / "dicom")
    line = refusal(capfd, "reconstruct", folder, "--series", "9.9", out=tmp_path / "results" / "face.obj")
    assert "1.2.3.1" in line
    assert "1.2.3.2" in line


@pytest.mark.parametrize("name", ["face.obj", "face.json", "face.png", "face.sd.json", "face_002.obj"])
def test_results_that_exist(capfd, tmp_path, name):
    (tmp_path / "results").mkdir()
    earlier = written(tmp_path / "results" / name, "an earlier result")
    line = refusal(
        capfd, "reconstruct", tmp_path / "absent.obj", "--samples", "2", out=tmp_path / "results" / "face.obj"
    )
    assert name in line
    assert "--overwrite" in line
    assert earlier.read_text() == "an earlier result"


def test_overwriting_what_cannot_be_made_keeps_it(capfd, tmp_path):
    (tmp_path / "results").mkdir()
    earlier = written(tmp_path / "results" / "face.obj", "an earlier result")
    arguments = ("reconstruct", written(tmp_path / "skull.obj", ""), "--overwrite")
    refusal(capfd, *arguments, out=tmp_path / "results" / "face.obj")
    assert earlier.read_text() == "an earlier result"


@pytest.mark.parametrize("name", ["face.fbx", "face", "face.json"])
def test_unknown_kind_of_result(capfd, tmp_path, name):
    line = refusal(capfd, "reconstruct", tmp_path / "absent.obj", out=tmp_path / "results" / name)
    assert ".obj, .ply, .stl" in line


def test_a_result_over_its_own_input(capfd, tmp_path):
    skull, marks = mesh_file(tmp_path / "skull.obj"), written(tmp_path / "marks.json", "{}")
    assert "skull.obj" in refusal(capfd, "reconstruct", skull, "--overwrite", out=skull)
    line = refusal(capfd, "reconstruct", skull, "--landmarks", marks, "--overwrite", out=tmp_path / "marks.obj")
    assert "marks.json" in line
    assert marks.read_text() == "{}"


def test_a_place_that_is_no_folder(capfd, tmp_path):
    skull = mesh_file(tmp_path / "skull.obj")
    capfd.readouterr()
    assert main(["reconstruct", str(skull), "--out", str(skull / "face.obj")]) == 2
    assert "not a folder" in capfd.readouterr().err
    (tmp_path / "face.obj").mkdir()
    assert "is a folder" in refusal(capfd, "reconstruct", skull, out=tmp_path / "face.obj")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fullness", "1", "--bmi", "27"), "--fullness and --bmi"),
        (("--fullness", "27"), "--bmi"),
        (("--fullness", "nan"), "--fullness"),
        (("--bmi", "2.7"), "--bmi"),
        (("--classic", "--representation", "implicit"), "--representation implicit needs the trained field"),
        (("--classic", "--samples", "2"), "--samples needs the trained field"),
        (("--classic", "--checkpoint", "run"), "--checkpoint needs the trained field"),
        (("--samples", "-1"), "--samples -1 is not from 0 to 999"),
        (("--checkpoint", "absent.npz"), "absent.npz: no such file"),
        (("--series", "1.2.3"), "--series is for volumes"),
        (("--threshold", "300"), "--threshold is for volumes"),
        (("--threshold", "nan"), "--threshold nan"),
        (("--landmarks", "absent.json"), "absent.json: no such file"),
        (("--head-model", "absent.pkl"), "absent.pkl"),
        (("--prior", "absent.npz"), "absent.npz: no such file"),
    ],
)
def test_options_that_do_not_go(capfd, tmp_path, options, words):
    skull = mesh_file(tmp_path / "skull.obj")
    assert words in refusal(capfd, "reconstruct", skull, *options, out=tmp_path / "results" / "face.obj")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("{}", "no landmarks"),
        (json.dumps({"zy_lef": [1, 2, 3]}), "did you mean 'zy_l'"),
        (json.dumps({"n": [1, 2]}), "landmark n"),
        (json.dumps({"n": [1, 2, float("nan")]}), "landmark n"),
    ],
)
def test_landmark_files(capfd, tmp_path, content, words):
    skull, marks = mesh_file(tmp_path / "skull.obj"), written(tmp_path / "marks.json", content)
    line = refusal(capfd, "reconstruct", skull, "--landmarks", marks, out=tmp_path / "results" / "face.obj")
    assert words in line
    assert "marks.json" in line


def test_a_unit_for_a_volume(capfd, tmp_path):
    line = refusal(capfd, "reconstruct", flesh_only(tmp_path / "ct.nii"), "--unit", "m", out=tmp_path / "r" / "f.obj")
    assert "volumes are in mm" in line


def test_preprocess_options(capfd, tmp_path):
    skull, out = mesh_file(tmp_path / "skull.obj"), tmp_path / "results" / "clean.ply"
    assert "skin is found in volumes only" in refusal(capfd, "preprocess", skull, "--tissue", "skin", out=out)
    assert "--faces 10" in refusal(capfd, "preprocess", skull, "--faces", "10", out=out)


def test_compare_input(capfd, tmp_path):
    face, out = mesh_file(tmp_path / "face.obj"), tmp_path / "results" / "comparison.json"
    record = written(tmp_path / "skull.json", "{}")
    assert "absent.json: no such file" in refusal(capfd, "compare", face, face, "--skull", "absent.json", out=out)
    assert "has no T_head_input" in refusal(capfd, "compare", face, face, "--skull", record, out=out)
    volume = flesh_only(tmp_path / "ct.nii")
    assert "--tissue skin" in refusal(capfd, "compare", face, volume, "--skull", record, out=out)


def test_build_prior_input(capfd, tmp_path):
    model, out = written(tmp_path / "model.npz", "no model"), tmp_path / "results" / "prior.npz"
    assert "absent.npz" in refusal(capfd, "build-prior", "--head-model", "absent.npz", out=out)
    assert "model.npz: not a " in refusal(capfd, "build-prior", "--head-model", model, out=out)
    line = refusal(capfd, "build-prior", "--head-model", model, "--skull-landmarks", "marks.json", out=out)
    assert "--skull-template" in line
    assert "--modes 0" in refusal(capfd, "build-prior", "--head-model", model, "--modes", "0", out=out)
    line = refusal(capfd, "build-prior", "--head-model", model, out=tmp_path / "results" / "prior.obj")
    assert ".npz" in line


def test_build_jaw_input(capfd, tmp_path):
    model, out = written(tmp_path / "model.npz", "no model"), tmp_path / "results" / "jaw.npz"
    assert "absent.npz" in refusal(capfd, "build-jaw", "--head-model", "absent.npz", out=out)
    assert "model.npz: not a " in refusal(capfd, "build-jaw", "--head-model", model, out=out)
    line = refusal(capfd, "build-jaw", "--head-model", model, out=tmp_path / "results" / "jaw.obj")
    assert ".npz" in line
    assert "model.npz: is read and would be written" in refusal(capfd, "build-jaw", "--head-model", model, out=model)
    shut = write_npz(tmp_path / "shut.npz", flame_parts())
    line = refusal(capfd, "build-jaw", "--head-model", shut, out=out)
    assert "shut.npz: has no expression jawOpen; give ICT-FaceKit" in line
    line = refusal(capfd, "build-jaw", "--head-model", shut, "--prior", "absent.npz", out=out)
    assert "absent.npz: no such file" in line


@pytest.mark.parametrize("case", ["no file", "two series"])
def test_as_a_process(tmp_path, case):
    name, make, words = UNREADABLE[case]
    out = tmp_path / "results" / "face.obj"
    command = [sys.executable, "-c", "import sys; from s2f.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "reconstruct", str(make(tmp_path / name)), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("s2f: ")
    assert words in line
    assert not out.parent.exists()

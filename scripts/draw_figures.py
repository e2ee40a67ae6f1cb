"""Draws the README's pictures into docs/: the demo case, the development CT and the template's landmarks.

    make figures

The CT needs the development data in ../shared/data/headsq_ct; without it its picture stays as it is. The
person's own skin is not drawn, only the reconstruction's distance to it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data.ct_surfaces import bone_surface, open_where_scan_ends, skin_surface
from data.prior import read_prior
from data.shipped import PRIOR
from data.volume_files import read_volume
from eval.compare import compare
from eval.metrics import on_border, per_vertex_error
from eval.regions import face_mask
from eval.skull_record import SkullRecord
from fields.distance import DistanceScene
from s2f import load
from s2f.picture import landmark_picture

DOCS = Path(__file__).parent.parent / "docs"
HEADSQ = Path(__file__).parent.parent.parent / "shared" / "data" / "headsq_ct" / "dicom"
WIDTH_PX = 1200


def draw_demo(folder: Path) -> None:
    """The picture that `s2f demo` makes."""
    command = [str(Path(sys.executable).with_name("s2f")), "demo", "--out", str(folder / "demo")]
    subprocess.run(command, check=True)
    _shrink(folder / "demo" / "face.png", DOCS / "demo.png")


def draw_headsq(folder: Path) -> None:
    """Reconstruction of the development CT, coloured by its distance to the scanned skin."""
    volume = read_volume(HEADSQ)
    skull = open_where_scan_ends(bone_surface(volume), volume)
    skin = open_where_scan_ends(skin_surface(volume), volume)
    face = load().reconstruct(skull.vertices, skull.faces, unit="mm", source=str(HEADSQ))
    T_head_input = np.array(face.record["T_head_input"])
    landmarks = {key: np.array(point) for key, point in face.record["landmarks_head_mm"].items()}
    comparison = compare(
        face.mesh, skin, region="face", skull=SkullRecord("headsq", T_head_input, face.record["mm_per_unit"], landmarks)
    )
    mean = comparison.errors.true_to_predicted.mean_mm
    truth = skin.transformed(T_head_input)
    vertices = face.head_frame_mesh.vertices
    scored = face_mask(vertices, face.head_frame_mesh.vertex_normals(), landmarks)
    scored &= ~on_border(truth, DistanceScene(truth).closest(vertices))
    error = np.where(scored, -per_vertex_error(face.head_frame_mesh, truth), np.nan)
    face.write(
        folder / "headsq.obj",
        error_mm=error,
        caption=f"headsq, a development CT (n = 1). Mean error {mean:.1f} mm over the scanned face, not aligned.",
    )
    _shrink(folder / "headsq.png", DOCS / "headsq.png")
    print(json.dumps(comparison.as_dict()["errors"], indent=1))


def draw_landmarks(folder: Path) -> None:
    """The landmarks on the shipped prior's skull."""
    prior = read_prior(PRIOR)
    landmark_picture(
        folder / "landmarks.png",
        prior.skull,
        prior.landmark_points(),
        caption="Landmarks on the shipped prior's skull.",
        credit=prior.credit,
    )
    _shrink(folder / "landmarks.png", DOCS / "landmarks.png")


def _shrink(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        height = round(image.height * WIDTH_PX / image.width)
        small = image.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    target.parent.mkdir(exist_ok=True)
    small.save(target, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        draw_landmarks(Path(name))
        draw_demo(Path(name))
        if HEADSQ.is_dir():
            draw_headsq(Path(name))

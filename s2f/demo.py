"""The demo case: a made skull whose true face is known. It needs the shipped prior and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.spatial.transform import Rotation

from data.mesh_files import write_mesh
from eval.compare import compare, print_comparison
from eval.metrics import per_vertex_error
from eval.regions import face_mask
from eval.skull_record import SkullRecord
from fields.mesh import Mesh
from s2f.provenance import sha256_of
from s2f.reconstruction import Face, Reconstructor, load
from train.origin import versions

SEED = 34
"""The first seed from 0 on whose head is at least 2 standard deviations from the mean in one of its three leading
modes, and whose bone has at least 2 mm of skin over it everywhere."""
_METRES = 1e-3


def make_demo(reconstructor: Reconstructor) -> tuple[Mesh, Mesh, dict[str, Any]]:
    """A sampled skull and its face, turned, moved and in metres, and how they were made.

    Head coefficients and depths are drawn from the prior: coefficients standard normal, depths from the table with a
    fullness of their own. The reconstruction is told neither.
    """
    prior, rng = reconstructor.prior, np.random.default_rng(SEED)
    betas: np.ndarray = np.asarray(rng.standard_normal(prior.head.shapedirs.shape[2]))
    fullness = float(rng.standard_normal())
    skull, face = prior.skull_of(betas, prior.tissue.sample(rng, fullness)), prior.head_mesh(betas)
    transform = np.eye(4)
    transform[:3, :3] = _METRES * Rotation.random(random_state=rng).as_matrix()
    transform[:3, 3] = rng.uniform(-0.5, 0.5, 3)
    about = {
        "seed": SEED,
        "betas": betas.tolist(),
        "leading_betas": [round(float(beta), 2) for beta in betas[:3]],
        "fullness": round(fullness, 2),
        "how": "sampled from the anatomy prior's own head modes and depths, so an easier case than a real skull",
    }
    return skull.transformed(transform), face.transformed(transform), about


def run_demo(out: Path, console: Console) -> Face:
    """Make the case, reconstruct it, and write skull, true face, face, record and picture into a folder."""
    with console.status("loading the anatomy prior"):
        reconstructor = load()
        skull, true_face, about = make_demo(reconstructor)
    skull_file = out / "skull.ply"
    write_mesh(skull_file, skull, credit=reconstructor.prior.credit)
    write_mesh(out / "true_face.ply", true_face, credit=reconstructor.prior.credit)
    with console.status("reconstructing the face"):
        face = reconstructor.reconstruct(skull.vertices, skull.faces, source=str(skull_file))
    landmarks = {key: np.array(point) for key, point in face.record["landmarks_head_mm"].items()}
    T_head_input = np.array(face.record["T_head_input"])
    record = SkullRecord("demo", T_head_input, face.record["mm_per_unit"], landmarks)
    comparison = compare(face.mesh, true_face, region="face", skull=record)
    truth = true_face.transformed(T_head_input)
    # Positive where the reconstruction lies outside the true face; grey where the region is not scored.
    error = -per_vertex_error(face.head_frame_mesh, truth)
    scored = face_mask(face.head_frame_mesh.vertices, face.head_frame_mesh.vertex_normals(), landmarks)
    mean = comparison.errors.true_to_predicted.mean_mm
    with console.status("drawing"):
        face.write(
            out / "face.obj",
            extra_record={
                "demo": about,
                "error": comparison.as_dict(),
                "input": {"path": str(skull_file), "sha256": sha256_of(skull_file)},
                "seed": SEED,
                "versions": versions(),
            },
            true_face=truth,
            error_mm=np.where(scored, error, np.nan),
            caption=f"A made skull whose true face is known. Mean error {mean:.1f} mm over the face, not aligned.",
        )
    print_comparison(comparison, console)
    console.print(f"face     {out / 'face.obj'}\nrecord   {out / 'face.json'}\npicture  {out / 'face.png'}")
    return face

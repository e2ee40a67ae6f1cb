"""A made head in the layouts of ICT-FaceKit: its arrays, and its folder of OBJ files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def facekit_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """A made head in ICT-FaceKit's layout: a lumpy box of quads with a triangle, two materials; centimetres."""
    rng = np.random.default_rng(seed)
    rows, columns = 6, 9
    grid = np.stack(np.meshgrid(np.linspace(-8, 8, columns), np.linspace(-12, 12, rows)), axis=-1)
    vertices = np.concatenate([grid, rng.normal(10, 0.5, (rows, columns, 1))], axis=-1).reshape(-1, 3)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + columns + 1, corner + columns], axis=1).astype(np.int32)
    quads[3, 3] = -1
    # A seam: the first column of quads has texture coordinates of its own.
    order = rng.permutation(len(vertices) + rows * 2)
    seam = quads % columns + quads // columns * 2 + len(vertices)
    quads_uv = np.where((corner % columns == 0)[:, None], seam, quads)
    return {
        "vertices": vertices.astype(np.float32),
        "identity": rng.normal(0, 0.1, (3, len(vertices), 3)).astype(np.float16),
        "expression": rng.normal(0, 0.1, (2, len(vertices), 3)).astype(np.float16),
        "expression_names": np.array(["PupilDilate_L", "jawOpen"]),
        "quads": quads,
        "quads_uv": np.where(quads < 0, -1, order[quads_uv]).astype(np.int32),
        "uv": rng.random((len(order), 2)).astype(np.float32),
        "material": (corner > 20).astype(np.int8),
        "material_names": np.array(["M_Face", "M_Teeth"]),
    }


def write_facekit_folder(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The same head as a folder of OBJ files, as ICT-FaceKit is published."""
    folder.mkdir(parents=True)
    neutral = arrays["vertices"].astype(np.float64)
    lines = ["mtllib ICTFaceModelMaterial.mtl", *_vertex_lines(neutral)]
    lines += [f"vt {u:.9f} {v:.9f}" for u, v in arrays["uv"]]
    for number, name in enumerate(arrays["material_names"]):
        lines.append(f"usemtl {name}")
        for quad, quad_uv in zip(
            arrays["quads"][arrays["material"] == number], arrays["quads_uv"][arrays["material"] == number], strict=True
        ):
            lines.append("f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(quad, quad_uv, strict=True) if v >= 0))
    (folder / "generic_neutral_mesh.obj").write_text("\n".join(lines) + "\n")
    for number, offsets in enumerate(arrays["identity"]):
        (folder / f"identity{number:03d}.obj").write_text("\n".join(_vertex_lines(neutral + offsets)) + "\n")
    for name, offsets in zip(arrays["expression_names"], arrays["expression"], strict=True):
        (folder / f"{name}.obj").write_text("\n".join(_vertex_lines(neutral + offsets)) + "\n")
    names = [str(name) for name in arrays["expression_names"]]
    (folder / "vertex_indices.json").write_text(json.dumps({"expressions": names, "incompatibilities": []}))
    return folder


def _vertex_lines(vertices: np.ndarray) -> list[str]:
    return ["v " + " ".join(f"{number:.15f}" for number in vertex) for vertex in vertices]

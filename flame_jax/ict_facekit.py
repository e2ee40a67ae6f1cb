"""ICT-FaceKit's morphable face, from an `.npz` of its arrays or from the folder of OBJ files that it is published as.

Li, Bladin, Zhao, Chinara, Ingraham, Xiang, Ren, Prasad, Kishore, Xing, Li: "Learning formation of physically-based face
attributes", CVPR 2020. The published folder `FaceXModel` has a neutral mesh and one whole mesh per identity mode and
expression, all of one topology; a mode is its difference from the neutral. Lengths are centimetres, axes are FLAME's.
Identity coefficients have unit variance; expression coefficients go from 0 to 1 and are those of ARKit's blend shapes.
The meshes have teeth, gums, eyes and lashes; `HeadModel.materials` tells them apart. Texture coordinates are in tiles
(UDIM): the whole part of u says which texture, so it reaches 7.

OBJ files are read here rather than by a library, because a vertex's number is its identity and libraries merge or
reorder vertices.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flame_jax.safe_pickle import naming

_METRES_PER_UNIT = 0.01
_NAME = "ICT-FaceKit"
_CREDIT = (
    "ICT-FaceKit (ICT Face Model Light), Copyright (c) 2020 USC Institute for Creative Technologies, MIT License, "
    "https://github.com/ICT-VGL/ICT-FaceKit"
)
_NEUTRAL = "generic_neutral_mesh"
_LIST = "vertex_indices.json"
_FOLDER = "FaceXModel"
_IDENTITY_FILE = re.compile(r"identity\d+")

FACEKIT_ARRAYS = ("vertices", "identity", "quads")
"""What an `.npz` of ICT-FaceKit must have."""
FACEKIT_OPTIONAL_ARRAYS = ("expression", "expression_names", "quads_uv", "uv", "material", "material_names")
"""What it may have besides."""


def is_facekit(names: Container[str]) -> bool:
    """Whether a file with arrays of these names is an ICT-FaceKit `.npz`."""
    return all(name in names for name in FACEKIT_ARRAYS)


def facekit_parts(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Parts by the names of `HeadModel`'s fields, out of the arrays of an ICT-FaceKit `.npz`.

    Args:
        arrays: `vertices` (V, 3), `identity` (N, V, 3) and `expression` (E, V, 3) as offsets from the neutral, `quads`
            (Q, 4) of vertices and `quads_uv` of rows of `uv`, both with -1 last in a triangle, `material` (Q,), names.

    Raises:
        ValueError: Arrays that do not fit each other.
    """
    vertices = _numbers("vertices", arrays["vertices"], (None, 3))
    shape = (None, len(vertices), 3)
    quads = _corners("quads", arrays["quads"], (None, 4), len(vertices))
    parts: dict[str, Any] = {
        "v_template": vertices,
        "shapedirs": _components(_numbers("identity", arrays["identity"], shape)),
        "metres_per_unit": np.asarray(_METRES_PER_UNIT),
        "name": np.asarray(_NAME),
        "credit": np.asarray(_CREDIT),
    }
    corners, rows = _triangulated(quads, vertices)
    parts["faces"] = quads[rows[:, None], corners]
    if "expression" in arrays:
        parts["exprdirs"] = _components(_numbers("expression", arrays["expression"], shape))
        parts |= {"expression_names": arrays["expression_names"]} if "expression_names" in arrays else {}
    if "uv" in arrays and "quads_uv" in arrays:
        parts["uv"] = _numbers("uv", arrays["uv"], (None, 2))
        quads_uv = _corners("quads_uv", arrays["quads_uv"], quads.shape, len(parts["uv"]))
        if ((quads_uv < 0) != (quads < 0)).any():
            raise ValueError("quads_uv has triangles where quads has none")
        parts["uv_faces"] = quads_uv[rows[:, None], corners]
    if "material" in arrays and "material_names" in arrays:
        parts["materials"] = _numbers("material", arrays["material"], (len(quads),))[rows]
        parts["material_names"] = arrays["material_names"]
    return parts


def read_facekit_folder(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of `facekit_parts`, out of the published folder of OBJ files or the one that has it inside.

    Raises:
        ValueError: No such folder, a mesh is missing or damaged, or one has other vertices than the neutral.
        OSError: A file cannot be read.
    """
    if not (folder / f"{_NEUTRAL}.obj").is_file():
        folder = folder / _FOLDER
        if not (folder / f"{_NEUTRAL}.obj").is_file():
            raise ValueError(f"it is a folder without {_NEUTRAL}.obj")
    with naming(f"{_NEUTRAL}.obj"):
        arrays = _read_neutral((folder / f"{_NEUTRAL}.obj").read_text("utf-8", "replace"))
    identities = sorted(path.stem for path in folder.glob("identity*.obj") if _IDENTITY_FILE.fullmatch(path.stem))
    if not identities:
        raise ValueError("it is a folder without identity000.obj")
    arrays["identity"] = _offsets(folder, identities, arrays["vertices"])
    expressions = _expression_names(folder)
    if expressions:
        arrays["expression"] = _offsets(folder, expressions, arrays["vertices"])
        arrays["expression_names"] = np.asarray(expressions)
    return arrays


def _expression_names(folder: Path) -> list[str]:
    meshes = sorted(path.stem for path in folder.glob("*.obj"))
    if not (folder / _LIST).is_file():
        return [stem for stem in meshes if stem != _NEUTRAL and not _IDENTITY_FILE.fullmatch(stem)]
    with naming(_LIST):
        content = json.loads((folder / _LIST).read_bytes())
        names = content.get("expressions") if isinstance(content, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("it has no list of expressions")
        missing = [name for name in names if name not in meshes]
        if missing:
            raise ValueError(f"it lists the expression {missing[0][:40]!r}, but there is no such .obj beside it")
    return names


def _offsets(folder: Path, stems: list[str], neutral: np.ndarray) -> np.ndarray:
    offsets = np.empty((len(stems), *neutral.shape), np.float32)
    for index, stem in enumerate(stems):
        with naming(f"{stem}.obj"):
            content = (folder / f"{stem}.obj").read_bytes()
            lines = [line for line in content.splitlines() if line.startswith((b"v ", b"v\t"))]
            if len(lines) != len(neutral):
                raise ValueError(f"it has {len(lines)} vertices, not the neutral's {len(neutral)}")
            offsets[index] = np.loadtxt(lines, usecols=(1, 2, 3), ndmin=2) - neutral
    return offsets


def _coordinates(words: list[str], count: int) -> list[float]:
    if len(words) < count:
        raise ValueError(f"a point of {len(words)} numbers")
    return [float(word) for word in words[:count]]


def _read_neutral(text: str) -> dict[str, np.ndarray]:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: list[list[int]] = []
    quads_uv: list[list[int]] = []
    materials: list[str] = []
    material = ""
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append(_coordinates(words, 3))
        elif kind == "vt":
            uv.append(_coordinates(words, 2))
        elif kind == "usemtl":
            material = " ".join(words)
        elif kind == "f":
            if len(words) not in (3, 4):
                raise ValueError(f"a face of {len(words)} corners")
            corners = [word.split("/") for word in words]
            quads.append(_references([corner[0] for corner in corners], len(vertices)))
            if all(len(corner) > 1 and corner[1] for corner in corners):
                quads_uv.append(_references([corner[1] for corner in corners], len(uv)))
            materials.append(material)
    arrays = {"vertices": np.asarray(vertices), "quads": np.asarray(quads)}
    if not vertices or not quads:
        raise ValueError("it has no vertices or no faces")
    if len(quads_uv) == len(quads):
        arrays |= {"uv": np.asarray(uv), "quads_uv": np.asarray(quads_uv)}
    if any(materials):
        names, numbers = np.unique(np.asarray(materials), return_inverse=True)
        arrays |= {"material": numbers, "material_names": names}
    return arrays


def _references(words: list[str], count: int) -> list[int]:
    # Numbers from 1, or from the latest element backwards when negative; -1 fills up a triangle here.
    numbers = [int(word) for word in words]
    if any(number == 0 or not -count <= number <= count for number in numbers):
        raise ValueError("a face refers to what there is not")
    return [number - 1 if number > 0 else count + number for number in numbers] + [-1] * (4 - len(numbers))


def _triangulated(quads: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the corners (F, 3) and rows (F,) of the triangles in `quads`, split along the shorter diagonal."""
    points = vertices[quads].astype(np.float64)
    first, second = (np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in ((0, 2), (1, 3)))
    halves = np.where(
        (first <= second)[:, None, None], np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 1, 3], [1, 2, 3]])
    )
    is_triangle = quads[:, 3] < 0
    halves[is_triangle] = [0, 1, 2]
    kept = np.stack([np.ones_like(is_triangle), ~is_triangle], axis=1)
    return halves[kept], np.nonzero(kept)[0]


def _components(offsets: np.ndarray) -> np.ndarray:
    return np.moveaxis(offsets, 0, 2)


def _corners(name: str, array: np.ndarray, shape: tuple[int | None, ...], count: int) -> np.ndarray:
    corners = _numbers(name, array, shape)
    if corners.dtype.kind not in "iu" or not len(corners):
        raise ValueError(f"{name} is not an array of indices")
    corners = corners.astype(np.int64)
    if corners.max() >= count or corners[:, :3].min() < 0 or corners[:, 3].min() < -1:
        raise ValueError(f"{name} points outside the {count} there are")
    return corners


def _numbers(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} is not an array of numbers")
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} is {' x '.join(map(str, array.shape)) or 'one number'}, not {wanted}")
    return array

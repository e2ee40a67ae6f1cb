"""A case of the held-out test set as a file, so that it is aligned once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from data.align import Alignment
from data.jaw import Jaw
from data.prior import AnatomyPrior
from eval.held_out.case import HeldOutCase, Placed
from fields.mesh import Mesh
from flame_jax.whole_file import whole_file

_POINTS = ("landmarks", "bent_landmarks", "directions", "controls")
"""Fields of an `Alignment` that are points by name."""
_ARRAYS = ("bone_points", "bone_normals")
_NUMBERS = ("scale", "face_misfit_mm", "face_covered")


def write_case(path: Path, case: HeldOutCase) -> None:
    """Write a case as a compressed `.npz`, positions in single precision; whole or not at all.

    Raises `InputError` when the place cannot be written.
    """
    about: dict[str, Any] = {
        name: getattr(case, name) for name in ("number", "kinds", "fullness", "opening", "refusal")
    }
    about["landmarks"] = _plain(case.landmarks)
    arrays: dict[str, Any] = {"head": case.head.vertices, "whole_skull": case.whole_skull.vertices}
    if case.placed is not None:
        alignment = case.placed.alignment
        arrays |= {
            "skull": case.placed.skull.vertices,
            "skull_faces": case.placed.skull.faces.astype(np.int32),
            "bent_skull": alignment.bent_skull.vertices,
        }
        arrays |= {name: getattr(alignment, name) for name in _ARRAYS}
        # Transforms and named points are few and stay in double precision.
        about["alignment"] = {
            **{name: getattr(alignment, name) for name in _NUMBERS},
            **{name: _plain(getattr(alignment, name)) for name in _POINTS},
            "warnings": alignment.warnings,
            "T_aligned_head": case.placed.T_aligned_head.tolist(),
            "T_head_skull": alignment.T_head_skull.tolist(),
            "jaw": dataclasses.asdict(alignment.jaw) | {"T_open_closed": alignment.jaw.T_open_closed.tolist()},
        }
    stored: dict[str, Any] = {
        name: np.asarray(array, np.float32) if array.dtype.kind == "f" else array for name, array in arrays.items()
    }
    stored["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, **stored)


def read_case(path: Path, prior: AnatomyPrior, test_prior: AnatomyPrior) -> HeldOutCase:
    """Read a case that `write_case` wrote: a file of our own making, so nothing is checked.

    Args:
        path: Of the case.
        prior: That the skull was aligned with.
        test_prior: That the person was drawn from.
    """
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
        meshes = {
            name: Mesh(file[name].astype(np.float64), faces)
            for name, faces in (
                ("head", test_prior.head.faces),
                ("whole_skull", test_prior.skull.faces),
                ("bent_skull", prior.skull.faces),
            )
            if name in file.files
        }
        placed = None
        if "alignment" in about:
            found = about["alignment"]
            jaw = found["jaw"]
            fields: dict[str, Any] = {name: _points(found[name]) for name in _POINTS}
            fields |= {name: file[name].astype(np.float64) for name in _ARRAYS}
            fields |= {name: float(found[name]) for name in _NUMBERS}
            alignment = Alignment(
                **fields,
                T_head_skull=np.array(found["T_head_skull"]),
                bent_skull=meshes["bent_skull"],
                jaw=Jaw(np.array(jaw["T_open_closed"]), float(jaw["opening_mm"]), bool(jaw["present"])),
                warnings=tuple(found["warnings"]),
            )
            skull = Mesh(file["skull"].astype(np.float64), file["skull_faces"])
            placed = Placed(np.array(found["T_aligned_head"]), skull, alignment)
    return HeldOutCase(
        number=about["number"],
        kinds=tuple(about["kinds"]),
        fullness=about["fullness"],
        opening=about["opening"],
        head=meshes["head"],
        whole_skull=meshes["whole_skull"],
        landmarks=_points(about["landmarks"]),
        placed=placed,
        refusal=about["refusal"],
    )


def _plain(points: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: np.asarray(point).tolist() for name, point in points.items()}


def _points(plain: dict[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(point) for name, point in plain.items()}

"""The anatomy prior: an explicit head, the skull that belongs to it, and where its landmarks are. One small file.

Frame and units: head frame, millimetres (DESIGN: x = subject's left, y up, z anterior, origin between the poria of
this skull). Quantised as 16-bit integers with a scale per array or mode.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.tissue_depth import TissueDepths
from data.warp import thin_plate_matrix
from fields.distance import SurfacePoints
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.model import HeadModel
from flame_jax.whole_file import whole_file

FORMAT = "s2f anatomy prior 1"
_QUANTISED = ("head_vertices", "head_modes", "skull_vertices", "controls", "directions")
_PLAIN = (
    "uv",
    "head_faces",
    "uv_faces",
    "skull_faces",
    "landmark_faces",
    "landmark_weights",
    "tie_faces",
    "tie_weights",
    "depths",
)


@dataclasses.dataclass(frozen=True)
class AnatomyPrior:
    """A head of our own topology with identity modes, its skull, the controls that tie them, and landmarks."""

    head: HeadModel
    """Closed outer skin, mm, head frame; coefficients ~ N(0, 1); with UVs."""
    skull: Mesh
    """The skull of the mean head, whose depths are the table's means."""
    landmark_names: tuple[str, ...]
    landmarks: SurfacePoints
    """Where the landmarks lie on `skull`."""
    control_names: tuple[str, ...]
    controls: Float[np.ndarray, "controls 3"]
    """Bone points that drive the skull's warp, on or near `skull`."""
    directions: Float[np.ndarray, "controls 3"]
    """Unit vectors from bone to skin, along which depths are measured."""
    depths: Float[np.ndarray, " controls"]
    """From each control to the skin of the mean head, mm."""
    tie_faces: Int[np.ndarray, " controls"]
    tie_weights: Float[np.ndarray, "controls 3"]
    """Triangle and barycentric coordinates of the skin point over each control."""
    tissue: TissueDepths
    """The depth table that the skull was made with."""
    credit: str
    """Sources, licences and changes, one line each."""

    def landmark_points(self, skull: Mesh | None = None) -> dict[str, Float[np.ndarray, "3"]]:
        """Landmarks on the prior's skull, or on another of the same topology."""
        points = self.landmarks.on(self.skull if skull is None else skull)
        return dict(zip(self.landmark_names, points, strict=True))

    def head_mesh(self, betas: Float[np.ndarray, " identities"] | None = None) -> Mesh:
        """The head with given coefficients (the mean without), mm, head frame."""
        vertices = self.head.v_template.astype(np.float64)
        if betas is not None:
            vertices = vertices + self.head.shapedirs[:, :, : len(betas)] @ betas
        return Mesh(vertices, self.head.faces)

    def skull_of(self, betas: Float[np.ndarray, " identities"], depths: dict[str, float]) -> Mesh:
        """The skull under a head, linear in the coefficients and in the depths (mm, by landmark key; the others stay
        as they are)."""
        head = self.head_mesh(betas)
        skin = np.einsum("pc,pcd->pd", self.tie_weights, head.vertices[head.faces[self.tie_faces]])
        change = np.array(
            [depths.get(name, depth) - depth for name, depth in zip(self.control_names, self.depths, strict=True)]
        )
        # Depths of the mean skull are the rays' own lengths, which differ from the table's by what the two sides were
        # averaged.
        target = skin - (self.depths + change)[:, None] * self.directions
        matrix = thin_plate_matrix(self.controls, self.skull.vertices)
        return Mesh(self.skull.vertices + matrix @ (target - self.controls), self.skull.faces)


def write_prior(path: Path, prior: AnatomyPrior) -> None:
    """Write the prior as a compressed `.npz` of quantised arrays. Raises `InputError` when the place cannot be
    written."""
    head = prior.head
    assert head.uv is not None
    assert head.uv_faces is not None
    arrays = {
        "head_vertices": head.v_template,
        "head_modes": np.moveaxis(head.shapedirs, 2, 0),
        "skull_vertices": prior.skull.vertices,
        "controls": prior.controls,
        "directions": prior.directions,
    }
    stored: dict[str, Any] = {}
    for name, array in arrays.items():
        scale = np.abs(array).max(axis=tuple(range(1, array.ndim))) if name == "head_modes" else np.abs(array).max()
        scale = np.asarray(scale, dtype=np.float64) / 32767.0
        shape = (-1,) + (1,) * (array.ndim - 1) if scale.ndim else ()
        stored[name] = np.round(array / scale.reshape(shape)).astype(np.int16)
        stored[name + "_scale"] = scale
    stored |= {
        "uv": head.uv.astype(np.float32),
        "head_faces": head.faces.astype(np.uint16),
        "uv_faces": head.uv_faces.astype(np.uint16),
        "skull_faces": prior.skull.faces.astype(np.uint16),
        "landmark_faces": prior.landmarks.face_ids.astype(np.int32),
        "landmark_weights": prior.landmarks.barycentric.astype(np.float32),
        "tie_faces": prior.tie_faces.astype(np.int32),
        "tie_weights": prior.tie_weights.astype(np.float32),
        "depths": prior.depths.astype(np.float32),
    }
    about = {
        "format": FORMAT,
        "credit": prior.credit,
        "head_name": head.name,
        "landmarks": prior.landmark_names,
        "controls": prior.control_names,
        "tissue_mean_mm": dict(prior.tissue.mean),
        "tissue_sd_mm": dict(prior.tissue.sd),
    }
    stored["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, **stored)


def read_prior(path: Path) -> AnatomyPrior:
    """Read a prior. Nothing in the file is run. Raises `InputError` for a file that is not one."""
    remedy = "make one with s2f build-prior"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        about = json.loads(stored.pop("about").tobytes())
        if about["format"] != FORMAT:
            raise InputError(f"{path}: format '{about['format']}' is not '{FORMAT}'; {remedy}")
        real = {name: _dequantised(stored[name], stored[name + "_scale"]) for name in _QUANTISED}
        plain = {name: stored[name] for name in _PLAIN}
        skull = Mesh(real["skull_vertices"], plain["skull_faces"].astype(np.int32))
        landmarks = SurfacePoints.of(
            skull, plain["landmark_faces"].astype(np.int64), plain["landmark_weights"].astype(np.float64)
        )
        directions = real["directions"] / np.linalg.norm(real["directions"], axis=1, keepdims=True)
        return AnatomyPrior(
            head=HeadModel(
                v_template=real["head_vertices"].astype(np.float32),
                shapedirs=np.ascontiguousarray(np.moveaxis(real["head_modes"], 0, 2)).astype(np.float32),
                faces=plain["head_faces"].astype(np.int32),
                metres_per_unit=1e-3,
                uv=plain["uv"],
                uv_faces=plain["uv_faces"].astype(np.int32),
                name=about["head_name"],
                credit=about["credit"],
            ),
            skull=skull,
            landmark_names=tuple(about["landmarks"]),
            landmarks=landmarks,
            control_names=tuple(about["controls"]),
            controls=real["controls"],
            directions=directions,
            depths=plain["depths"].astype(np.float64),
            tie_faces=plain["tie_faces"].astype(np.int64),
            tie_weights=plain["tie_weights"].astype(np.float64),
            tissue=TissueDepths(about["tissue_mean_mm"], about["tissue_sd_mm"]),
            credit=about["credit"],
        )
    except (ValueError, KeyError, TypeError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not an anatomy prior, or a damaged one; {remedy}") from None


def _dequantised(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) * scale.reshape((-1,) + (1,) * (values.ndim - 1) if scale.ndim else ())

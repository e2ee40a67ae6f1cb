"""The anatomy prior: an explicit head, the skull that belongs to it, and where its landmarks are. One small file.

Frame and units: head frame, millimetres (DESIGN: x = subject's left, y up, z anterior, origin between the poria of
this skull). Quantised as 16-bit integers with a scale per array or mode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.tissue_depth import TissueDepths
from data.warp import thin_plate_matrix
from fields.distance import SurfacePoints
from fields.mesh import Mesh
from flame_jax.array_archive import ArchiveKind
from flame_jax.model import HeadModel

FORMAT = "s2f anatomy prior 1"
_STORED: Mapping[str, tuple[type[np.generic], tuple[str | int, ...]]] = {
    "head_vertices": (np.int16, ("head vertices", 3)),
    "head_vertices_scale": (np.float64, ()),
    "head_modes": (np.int16, ("modes", "head vertices", 3)),
    "head_modes_scale": (np.float64, ("modes",)),
    "head_faces": (np.uint16, ("head faces", 3)),
    "uv": (np.float32, ("texture coordinates", 2)),
    "uv_faces": (np.uint16, ("head faces", 3)),
    "skull_vertices": (np.int16, ("skull vertices", 3)),
    "skull_vertices_scale": (np.float64, ()),
    "skull_faces": (np.uint16, ("skull faces", 3)),
    "landmark_faces": (np.int32, ("landmarks",)),
    "landmark_weights": (np.float32, ("landmarks", 3)),
    "controls": (np.int16, ("controls", 3)),
    "controls_scale": (np.float64, ()),
    "directions": (np.int16, ("controls", 3)),
    "directions_scale": (np.float64, ()),
    "depths": (np.float32, ("controls",)),
    "tie_faces": (np.int32, ("controls",)),
    "tie_weights": (np.float32, ("controls", 3)),
}
"""Type and shape of every array in the file; equal names are equal lengths."""

_INDICES: Mapping[str, str] = {
    "head_faces": "head vertices",
    "uv_faces": "texture coordinates",
    "skull_faces": "skull vertices",
    "landmark_faces": "skull faces",
    "tie_faces": "head faces",
}
"""What the indices of an array count."""

_KIND = ArchiveKind(FORMAT, "not an anatomy prior", "make one with s2f build-prior")


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
        "uv": head.uv,
        "head_faces": head.faces,
        "uv_faces": head.uv_faces,
        "skull_faces": prior.skull.faces,
        "landmark_faces": prior.landmarks.face_ids,
        "landmark_weights": prior.landmarks.barycentric,
        "tie_faces": prior.tie_faces,
        "tie_weights": prior.tie_weights,
        "depths": prior.depths,
    }
    stored = {name: np.asarray(stored[name]).astype(kind) for name, (kind, _) in _STORED.items()}
    about = {
        "credit": prior.credit,
        "head_name": head.name,
        "landmarks": prior.landmark_names,
        "controls": prior.control_names,
        "tissue_mean_mm": dict(prior.tissue.mean),
        "tissue_sd_mm": dict(prior.tissue.sd),
    }
    _KIND.write(path, stored, about)


def read_prior(path: Path) -> AnatomyPrior:
    """Read a prior. Nothing in the file is run. Raises `InputError` for a file that is not one."""
    about, stored = _read_checked(path)
    real = {
        name.removesuffix("_scale"): _dequantised(stored[name.removesuffix("_scale")], scale)
        for name, scale in stored.items()
        if name.endswith("_scale")
    }
    skull = Mesh(real["skull_vertices"], stored["skull_faces"].astype(np.int32))
    return AnatomyPrior(
        head=HeadModel(
            v_template=real["head_vertices"].astype(np.float32),
            shapedirs=np.ascontiguousarray(np.moveaxis(real["head_modes"], 0, 2)).astype(np.float32),
            faces=stored["head_faces"].astype(np.int32),
            metres_per_unit=1e-3,
            uv=stored["uv"],
            uv_faces=stored["uv_faces"].astype(np.int32),
            name=about["head_name"],
            credit=about["credit"],
        ),
        skull=skull,
        landmark_names=tuple(about["landmarks"]),
        landmarks=SurfacePoints.of(
            skull, stored["landmark_faces"].astype(np.int64), stored["landmark_weights"].astype(np.float64)
        ),
        control_names=tuple(about["controls"]),
        controls=real["controls"],
        directions=real["directions"] / np.linalg.norm(real["directions"], axis=1, keepdims=True),
        depths=stored["depths"].astype(np.float64),
        tie_faces=stored["tie_faces"].astype(np.int64),
        tie_weights=stored["tie_weights"].astype(np.float64),
        tissue=TissueDepths(about["tissue_mean_mm"], about["tissue_sd_mm"]),
        credit=about["credit"],
    )


def _read_checked(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the file says about itself, and its arrays, which fit each other."""
    stored, about = _KIND.read(path)
    if not (_fits(stored) and _describes(about, stored)):
        raise _KIND.damaged(path)
    return about, {name: stored[name] for name in _STORED}


def _fits(stored: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays have the types and shapes of `_STORED`, finite numbers, and indices that point somewhere."""
    lengths: dict[str | int, int] = {3: 3, 2: 2}
    for name, (kind, shape) in _STORED.items():
        array = stored.get(name)
        if array is None or array.dtype != kind or array.ndim != len(shape):
            return False
        if any(lengths.setdefault(axis, size) != size for axis, size in zip(shape, array.shape, strict=True)):
            return False
        if not np.isfinite(array).all():
            return False
    return all(lengths.values()) and all(
        stored[name].min() >= 0 and stored[name].max() < lengths[what] for name, what in _INDICES.items()
    )


def _describes(about: Mapping[str, Any], stored: Mapping[str, np.ndarray]) -> bool:
    """Whether the names and the depth table are there, and as many as the arrays have rows."""
    return (
        all(isinstance(about.get(key), str) for key in ("head_name", "credit"))
        and all(isinstance(about.get(key), dict) for key in ("tissue_mean_mm", "tissue_sd_mm"))
        and all(isinstance(about.get(key), list) for key in ("landmarks", "controls"))
        and len(about["landmarks"]) == len(stored["landmark_faces"])
        and len(about["controls"]) == len(stored["controls"])
    )


def _dequantised(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) * scale.reshape((-1,) + (1,) * (values.ndim - 1) if scale.ndim else ())

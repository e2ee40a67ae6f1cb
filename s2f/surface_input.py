"""The surface that a command works on: a mesh file as it is, or bone or skin of a CT."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Literal

from data.ct_surfaces import BONE_HU, SKIN_HU, bone_surface, open_where_scan_ends, skin_surface
from data.mesh_files import READABLE, read_mesh
from data.volume_files import EXTENSIONS, is_volume, read_volume
from fields.mesh import Mesh
from flame_jax.errors import InputError
from s2f.steps import Steps


@dataclasses.dataclass(frozen=True)
class SurfaceInput:
    """A surface in its file's frame and unit."""

    mesh: Mesh
    """As read, not cleaned; of a volume in the scanner's physical coordinates (LPS), open where the scan ends."""
    unit: str | None
    """`mm` for a volume; for a mesh what the user said, or None."""
    threshold_hu: float | None
    """Where the surface was taken in a volume."""


def read_surface(
    path: Path,
    *,
    tissue: Literal["bone", "skin"] = "bone",
    threshold: float | None = None,
    series: str | None = None,
    unit: str | None = None,
    steps: Steps,
) -> SurfaceInput:
    """Read a mesh, or a volume and the surface of its bone or skin.

    Raises InputError for what cannot be read, has no such tissue, or an option that does not go with the input.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the name")
    if threshold is not None and not math.isfinite(threshold):
        raise InputError(
            f"{path}: --threshold {threshold} is no number of Hounsfield units; correct it or leave it out"
        )
    if not is_volume(path):
        if path.suffix.lower() not in READABLE:
            known = ", ".join((*READABLE, *EXTENSIONS))
            raise InputError(f"{path}: unknown kind of file '{path.suffix}'; known are {known} and a folder of DICOM")
        for option, value in (("--series", series), ("--threshold", threshold)):
            if value is not None:
                raise InputError(f"{path}: {option} is for volumes; leave it out for a mesh")
        if tissue == "skin":
            raise InputError(f"{path}: skin is found in volumes only; leave --tissue out for a mesh")
        with steps.step("reading the mesh"):
            return SurfaceInput(read_mesh(path), unit, None)
    if unit not in (None, "mm"):
        raise InputError(f"{path}: volumes are in mm, not in {unit}; leave --unit out")
    with steps.step("reading the volume"):
        volume = read_volume(path, series)
    with steps.step(f"finding {tissue}"):
        if tissue == "skin":
            threshold = SKIN_HU if threshold is None else threshold
            surface = skin_surface(volume, threshold)
            return SurfaceInput(open_where_scan_ends(surface, volume), "mm", threshold)
        threshold = BONE_HU if threshold is None else threshold
        surface = bone_surface(volume, threshold)
        return SurfaceInput(open_where_scan_ends(surface, volume), "mm", threshold)

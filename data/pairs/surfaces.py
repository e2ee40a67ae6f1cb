"""The two surfaces of a pair, fit for geometry, in the frame of their files (mm)."""

from __future__ import annotations

from pathlib import Path

from data.cleaning import clean
from data.mesh_files import read_mesh
from data.units import SMALLEST_MM
from fields.mesh import Mesh
from flame_jax.errors import InputError


def read_surface(path: Path, *, made: bool = False) -> Mesh:
    """Read a skull or a face and clean it, as `s2f reconstruct` cleans a skull.

    One that our generator made (`made`) is left as it is: it is wound outward already, and what a cleaning would take
    from it, crumbs between cracks, the same case as a program shows too.

    Raises `InputError` when it cannot be read, nothing is left of it, or it is too small to be in mm.
    """
    mesh = read_mesh(path) if made else clean(read_mesh(path))
    if not len(mesh.faces):
        raise InputError(f"{path}: nothing is left after cleaning; all triangles were without area")
    if mesh.diagonal() < SMALLEST_MM:
        raise InputError(f"{path}: a diagonal of {mesh.diagonal():.4g} is too small for mm; scale the pair to mm")
    return mesh

"""`s2f preprocess`: a clean surface out of a mesh or a CT."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from flame_jax.errors import InputError

_LEAST_FACES = 1000
"""Fewer triangles cannot carry a skull's landmarks."""


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Find the bone or the skin of a CT, or clean a mesh, and write it in the input's own frame."""

    input: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT")]
    """A mesh (OBJ, STL, PLY, OFF, GLB), a folder of DICOM slices, or a volume (NIfTI, NRRD, MetaImage)."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where to write the surface; the extension chooses the format: .ply, .obj, .stl or .glb."""
    tissue: Literal["bone", "skin"] = "bone"
    """Which surface to take from a volume."""
    threshold: Annotated[float | None, tyro.conf.arg(metavar="HU", help_behavior_hint="")] = None
    """Hounsfield units of that surface; a usual value if not given."""
    series: Annotated[str | None, tyro.conf.arg(metavar="UID", help_behavior_hint="")] = None
    """Which DICOM series to read, where a folder holds several."""
    faces: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Decimate to about so many triangles; not at all if not given."""
    unit: Annotated[Literal["mm", "cm", "m"] | None, tyro.conf.arg(metavar="{mm,cm,m}", help_behavior_hint="")] = None
    """Unit of a mesh; guessed from its size if not given."""
    to_mm: bool = False
    """Write millimetres instead of the input's unit."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Read, clean, decimate, write, and say the unit."""
        if self.faces is not None and self.faces < _LEAST_FACES:
            raise InputError(f"--faces {self.faces} is too few to show a skull; give at least {_LEAST_FACES}")

        from data.mesh_files import WRITABLE
        from s2f.outputs import check_extension, check_outputs

        check_extension(self.out, WRITABLE)
        check_outputs([self.out], inputs=[self.input], overwrite=self.overwrite)

        from data.cleaning import clean, decimate
        from data.mesh_files import write_mesh
        from data.units import guess_unit
        from fields.mesh import Mesh
        from s2f.steps import Steps
        from s2f.surface_input import read_surface

        steps = Steps()
        surface = read_surface(
            self.input,
            tissue=self.tissue,
            threshold=self.threshold,
            series=self.series,
            unit=self.unit,
            steps=steps,
        )
        with steps.step("cleaning"):
            mesh = clean(surface.mesh)
        unit = guess_unit(mesh, source=str(self.input), override=surface.unit)
        if self.faces is not None:
            with steps.step("decimating"):
                mesh = decimate(mesh, self.faces)
        if self.to_mm:
            mesh = Mesh(mesh.vertices * unit.mm_per_unit, mesh.faces)
        with steps.step("writing"):
            write_mesh(self.out, mesh)
        written = "mm" if self.to_mm else unit.name
        print(f"{self.out}: {len(mesh.vertices):,} vertices, {len(mesh.faces):,} triangles, in {written}")
        if surface.unit is None:
            print(unit.sentence)
        return 0

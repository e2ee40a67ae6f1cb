"""The unit of a mesh that does not say it (OBJ, STL and PLY never do), guessed from its size."""

from __future__ import annotations

import dataclasses
import types

from fields.mesh import Mesh
from flame_jax.errors import InputError

MM_PER_UNIT = types.MappingProxyType({"mm": 1.0, "cm": 10.0, "m": 1000.0})
"""Millimetres in each unit that is guessed or may be given."""

SMALLEST_MM = 80.0
LARGEST_MM = 800.0
"""Bounding diagonals that are taken for a skull or head, this one excluded. A whole skull has 250 to 350 mm; without
mandible, or one half, less; a fragment about 100; a head with shoulders from a CT up to 600. The two bounds are a
factor of ten apart, as centimetres and millimetres are, so no size fits both."""

USUAL_MM = (180.0, 600.0)
"""Outside of these, which hold skulls and heads in one piece, the guess asks to be checked."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """The unit of a mesh's coordinates."""

    name: str
    """`mm`, `cm` or `m`."""
    mm_per_unit: float
    """Millimetres per unit."""
    sentence: str
    """How it is known, for the user."""


def guess_unit(mesh: Mesh, *, source: str, override: str | None = None) -> Unit:
    """The unit of a skull or head, from the diagonal of its bounding box, or as given.

    Args:
        mesh: A skull or head in its file's unit.
        source: File name, for messages.
        override: `mm`, `cm` or `m`: taken as said, whatever the size.

    Raises:
        InputError: `override` is unknown, or the size fits no unit.
    """
    diagonal = mesh.diagonal()
    if override is not None:
        if override not in MM_PER_UNIT:
            raise InputError(f"{source}: unknown unit '{override}'; known are {', '.join(MM_PER_UNIT)}")
        return Unit(override, MM_PER_UNIT[override], f"unit {override}, as given")
    for name, mm_per_unit in MM_PER_UNIT.items():
        size_mm = diagonal * mm_per_unit
        if SMALLEST_MM <= size_mm < LARGEST_MM:
            sentence = f"unit taken for {name}: the diagonal of {diagonal:.4g} is then {size_mm:.0f} mm"
            if not USUAL_MM[0] <= size_mm <= USUAL_MM[1]:
                sentence += ", unusual for a skull or head; give the unit if this is wrong"
            return Unit(name, mm_per_unit, sentence)
    raise InputError(
        f"{source}: a diagonal of {diagonal:.4g} is no size of a skull in mm, cm or m; give the unit, or scale the mesh"
    )

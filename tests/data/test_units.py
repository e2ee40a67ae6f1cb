from __future__ import annotations

import numpy as np
import pytest

from data.units import LARGEST_MM, MM_PER_UNIT, SMALLEST_MM, guess_unit
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import box


def _of_diagonal(length: float) -> Mesh:
    unit = box((2.0, 3.0, 6.0), subdivisions=0)  # diagonal 7
    return Mesh(unit.vertices * (length / 7.0), unit.faces)


@pytest.mark.parametrize("name", MM_PER_UNIT)
@pytest.mark.parametrize("size_mm", [100.0, 160.0, 250.0, 300.0, 350.0, 600.0])
def test_skulls_parts_and_heads_of_every_unit(name: str, size_mm: float) -> None:
    unit = guess_unit(_of_diagonal(size_mm / MM_PER_UNIT[name]), source="skull.obj")
    assert (unit.name, unit.mm_per_unit) == (name, MM_PER_UNIT[name])
    assert name in unit.sentence
    assert ("unusual" in unit.sentence) == (size_mm < 180)


@pytest.mark.parametrize("length", [0.0, 1e-4, 0.05, 1.0, 4.0, 900.0, 3e5])
def test_sizes_that_fit_no_unit(length: float) -> None:
    with pytest.raises(InputError, match=r"^skull\.obj: a diagonal of .* give the unit"):
        guess_unit(_of_diagonal(length), source="skull.obj")


def test_no_size_fits_two_units() -> None:
    for length in np.geomspace(0.01, 1e4, 500):
        fits = [name for name, mm in MM_PER_UNIT.items() if SMALLEST_MM <= length * mm < LARGEST_MM]
        assert len(fits) <= 1


def test_override_is_taken_as_said() -> None:
    unit = guess_unit(_of_diagonal(300.0), source="skull.obj", override="cm")
    assert (unit.name, unit.mm_per_unit) == ("cm", 10.0)
    with pytest.raises(InputError, match=r"unknown unit 'inch'; known are mm, cm, m"):
        guess_unit(_of_diagonal(300.0), source="skull.obj", override="inch")

"""What the sensitivity of a method is measured to, one thing at a time; everything else stays as in `BASE`."""

from __future__ import annotations

import dataclasses
from typing import Literal

from data.cohort.variants import TEST
from eval.held_out.cases import HeldOutSet
from eval.held_out.exact_harm import NO_HARM, ExactHarm

Placing = Literal["automatic", "pose", "landmarks"]
"""By the aligner; in the right pose; in the right pose with the true landmarks."""


@dataclasses.dataclass(frozen=True)
class Level:
    """One setting of one thing."""

    kind: str
    """What is varied; heads a group of the table and a panel of the figure."""
    label: str
    exact: ExactHarm = NO_HARM
    """What happens to the skulls."""
    kappa: float = TEST.kappa
    """Share of the depth table's deviations that people differ by."""
    table_shift: float = TEST.table_shift
    """Of the depth table, see `data.cohort.variants.Variant`."""
    told_off: float | None = None
    """How far off the fullness is that the method is told, in standard deviations; None: it is told nothing."""
    placing: Placing = "automatic"
    base: bool = False
    """Whether this is how everything else is measured; the same people in every group."""

    def of(self, undamaged: HeldOutSet) -> HeldOutSet:
        """The test set of this level."""
        variant = undamaged.variant
        if (self.kappa, self.table_shift) != (variant.kappa, variant.table_shift):
            name = f"{variant.name}, kappa {self.kappa:g}, table {self.table_shift:g}"
            variant = dataclasses.replace(variant, name=name, kappa=self.kappa, table_shift=self.table_shift)
        return dataclasses.replace(undamaged, variant=variant, exact=self.exact)


MISSING, NOISE, VOXELS = "missing parts", "noise, mm", "CT voxels, mm"
PLACING, FULLNESS, KAPPA, TABLE = "placing", "fullness told, off by, sd", "κ", "shift of the depth table, sd"

BASE = Level("", "as the test set", base=True)
LEVELS: tuple[Level, ...] = (
    dataclasses.replace(BASE, kind=MISSING, label="whole"),
    Level(MISSING, "no mandible", ExactHarm(mandible_missing=True)),
    Level(MISSING, "no calvarium", ExactHarm(calvarium_cut=0.4)),
    Level(MISSING, "half", ExactHarm(half=True)),
    dataclasses.replace(BASE, kind=NOISE, label="0"),
    *(Level(NOISE, f"{sd:g}", ExactHarm(noise_mm=sd)) for sd in (0.5, 1.0, 2.0)),
    dataclasses.replace(BASE, kind=VOXELS, label="0"),
    *(Level(VOXELS, f"{edge:g}", ExactHarm(voxel_mm=edge)) for edge in (1.0, 2.0, 3.0)),
    dataclasses.replace(BASE, kind=PLACING, label="automatic"),
    Level(PLACING, "exact pose", placing="pose"),
    Level(PLACING, "exact landmarks", placing="landmarks"),
    dataclasses.replace(BASE, kind=FULLNESS, label="not told"),
    *(Level(FULLNESS, f"{off:+g}" if off else "0", told_off=off) for off in (-2.0, -1.0, 0.0, 1.0, 2.0)),
    Level(KAPPA, "0.5", kappa=0.5),
    dataclasses.replace(BASE, kind=KAPPA, label=f"{TEST.kappa:g}"),
    Level(KAPPA, "1", kappa=1.0),
    Level(TABLE, "0", table_shift=0.0),
    dataclasses.replace(BASE, kind=TABLE, label=f"{TEST.table_shift:g}"),
    Level(TABLE, "0.6", table_shift=0.6),
)
"""All that is measured. Noise of 1 mm and more, and voxels of 3 mm, are beyond what the field was trained with."""

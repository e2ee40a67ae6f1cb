"""The two generators of the cohort: one to train with, and one that differs in every assumption, to test with."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data.tissue_depth import FULLNESS_LOADING, KAPPA, TissueDepths


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a generator assumes beyond the anatomy prior."""

    name: str
    kappa: float
    """Share of the depth table's standard deviations taken for one population."""
    loading: Mapping[str, float]
    """How much of each depth's deviation follows the fullness of the face, by abbreviation."""
    left_right: float
    """Correlation of what is each side's own between left and right: residual depths, bone and slip."""
    own_depth_mm: float
    """Added to the table's deviation of every depth, in quadrature: bone is rougher than the skin over it, at landmarks
    too, and a table's mean over people's measurements does not show it."""
    residual_length_mm: float
    """Distance over which residual depths are alike."""
    bone_sd_mm: float
    """Of the bones' own displacement, in each direction."""
    bone_length_mm: float
    """Distance over which it is alike."""
    slip_sd_mm: float
    """Of the slip of controls along the bone, in each direction."""
    slip_length_mm: float
    """Distance over which it is alike."""
    thin_spacing_mm: float
    """Distance between the controls that stand where skin is thin: `data.cohort.thin_skin`."""
    left_out: tuple[str, ...] = ()
    """Abbreviations of the table's landmarks that do not drive the skull."""
    table_shift: float = 0.0
    """Each mean of the depth table is moved by up to this many of its standard deviations, each sd by half as large a
    share: another table, as studies differ."""

    def tissue(self, table: TissueDepths) -> TissueDepths:
        """The variant's depth table."""
        if not self.table_shift:
            return table
        # Fixed by the landmark's name, so that it does not depend on the table's order.
        draws = {key: np.random.default_rng(zlib.crc32(key.encode())).uniform(-1.0, 1.0, 2) for key in table.mean}
        mean = {key: value + self.table_shift * draws[key][0] * table.sd[key] for key, value in table.mean.items()}
        sd = {key: value * (1.0 + 0.5 * self.table_shift * draws[key][1]) for key, value in table.sd.items()}
        return TissueDepths(mean, sd)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it, for digests; loadings in the order of their names."""
        return dataclasses.asdict(self) | {"loading": sorted(self.loading.items())}


TRAIN = Variant(
    name="train",
    kappa=KAPPA,
    loading=FULLNESS_LOADING,
    left_right=0.8,
    own_depth_mm=1.2,
    residual_length_mm=35.0,
    bone_sd_mm=4.0,
    bone_length_mm=28.0,
    slip_sd_mm=2.5,
    slip_length_mm=20.0,
    thin_spacing_mm=16.0,
)

TEST = Variant(
    name="test",
    kappa=0.8,
    # Flatter than the training generator's: the cheek less tied to the whole, brow and nose more.
    loading={key: 0.15 + 0.7 * value for key, value in FULLNESS_LOADING.items()},
    left_right=0.7,
    own_depth_mm=1.0,
    residual_length_mm=50.0,
    bone_sd_mm=4.2,
    bone_length_mm=32.0,
    slip_sd_mm=2.2,
    slip_length_mm=28.0,
    thin_spacing_mm=19.0,
    left_out=("mn", "mp", "gn", "mmb", "iC"),
    table_shift=0.3,
)

VARIANTS: Mapping[str, Variant] = {variant.name: variant for variant in (TRAIN, TEST)}
"""By name, as `s2f synthesize --generator` takes them."""

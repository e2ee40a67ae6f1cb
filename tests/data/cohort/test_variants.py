"""Two generators that differ, and a depth table that is another one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data.cohort.variants import TEST, TRAIN, VARIANTS, Variant
from data.landmarks import BY_ABBREVIATION
from data.tissue_depth import TissueDepths
from tests.skulls_made import shipped_prior


def table() -> TissueDepths:
    return shipped_prior().tissue


def test_training_goes_by_the_table_itself() -> None:
    assert TRAIN.tissue(table()) == table()
    assert not TRAIN.left_out


def test_the_test_generator_assumes_something_else() -> None:
    for field in ("kappa", "left_right", "residual_length_mm", "bone_sd_mm", "bone_length_mm"):
        one, other = getattr(TRAIN, field), getattr(TEST, field)
        assert abs(other / one - 1.0) > 0.02, field
    for field in ("slip_sd_mm", "slip_length_mm", "thin_spacing_mm"):
        assert getattr(TRAIN, field) != getattr(TEST, field), field
    moved = [abs(TEST.loading[key] - TRAIN.loading[key]) for key in TRAIN.loading]
    assert np.median(moved) > 0.02
    assert TEST.left_out


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_assumptions_fit_the_table(variant: Variant) -> None:
    assert VARIANTS[variant.name] is variant
    assert set(variant.loading) == set(table().mean)
    assert all(0.0 <= value < 1.0 for value in variant.loading.values())
    assert set(variant.left_out) <= set(BY_ABBREVIATION)
    assert 0.0 < variant.left_right < 1.0


def test_another_table_departs_within_bounds_and_both_ways() -> None:
    there, here = TEST.tissue(table()), table()
    mean = np.array([(there.mean[key] - here.mean[key]) / here.sd[key] for key in here.mean])
    sd = np.array([there.sd[key] / here.sd[key] - 1.0 for key in here.mean])
    for departure, bound in ((mean, TEST.table_shift), (sd, 0.5 * TEST.table_shift)):
        assert np.abs(departure).max() <= bound
        # Drawn evenly between the bounds, so half of their deviation at least shows among 25.
        assert departure.std() > 0.5 * bound / np.sqrt(3.0)
        assert abs(departure.mean()) < 0.5 * bound
    assert abs(np.corrcoef(mean, sd)[0, 1]) < 0.7
    assert min(there.mean.values()) > 0.0
    assert min(there.sd.values()) > 0.0


def test_the_shift_goes_by_the_landmark_not_by_the_order() -> None:
    keys = list(table().mean)[::-1]
    turned = TissueDepths({key: table().mean[key] for key in keys[3:]}, {key: table().sd[key] for key in keys[3:]})
    there, here = TEST.tissue(turned), TEST.tissue(table())
    for key in keys[3:]:
        assert there.mean[key] == here.mean[key]
        assert there.sd[key] == here.sd[key]
    assert dataclasses.replace(TEST, name="other").tissue(table()) == here


def test_a_shift_of_twice_the_size_is_the_same_one_twice_as_far() -> None:
    once, twice = TEST.tissue(table()), dataclasses.replace(TEST, table_shift=2.0 * TEST.table_shift).tissue(table())
    for key, mean in table().mean.items():
        assert twice.mean[key] - mean == pytest.approx(2.0 * (once.mean[key] - mean))

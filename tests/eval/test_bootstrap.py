"""Intervals over subjects: as wide as theory says, and paired."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bootstrap import mean_over_subjects, ratio_of_means


def test_the_interval_of_a_mean_is_what_normal_theory_says() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    estimate = mean_over_subjects(values)
    assert estimate.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert estimate.value - estimate.low == pytest.approx(half, rel=0.1)
    assert estimate.high - estimate.value == pytest.approx(half, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = [
        estimate.low <= 3.0 <= estimate.high
        for estimate in (mean_over_subjects(rng.gamma(9.0, 1.0 / 3.0, 60)) for _ in range(200))
    ]
    assert 0.90 <= np.mean(held) <= 0.98


def test_a_ratio_is_of_means_and_paired() -> None:
    rng = np.random.default_rng(2)
    hard = rng.gamma(2.0, 1.0, 50)
    # Subjects differ much and methods little: unpaired, the interval would be wide.
    estimate = ratio_of_means(0.8 * hard, hard)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.8, 0.8, 0.8))
    assert ratio_of_means(np.array([1.0, 3.0]), np.array([1.0, 1.0])).value == pytest.approx(2.0)


def test_subjects_that_lack_a_number_are_left_out_of_both() -> None:
    above, below = np.array([1.0, np.nan, 4.0, 9.0]), np.array([2.0, 1.0, 2.0, np.nan])
    assert ratio_of_means(above, below).value == pytest.approx(5.0 / 4.0)
    assert mean_over_subjects(above).value == pytest.approx(14.0 / 3.0)


def test_without_subjects_there_is_no_number() -> None:
    nothing = np.array([np.nan])
    assert np.isnan([mean_over_subjects(nothing).value, ratio_of_means(nothing, nothing).low]).all()


def test_one_subject_tells_nothing_of_others() -> None:
    one = np.array([2.5])
    for made in (mean_over_subjects(one), ratio_of_means(one, np.array([1.0]))):
        assert (made.value, str(made)) == (2.5, "2.50")
        assert np.isnan([made.low, made.high]).all()


def test_an_estimate_reads_as_value_and_interval() -> None:
    assert str(mean_over_subjects(np.array([1.5, 1.5]))) == "1.50 (1.50 to 1.50)"

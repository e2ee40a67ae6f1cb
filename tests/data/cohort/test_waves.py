"""The cheap wave: like a sine, periodic, and with the slope that is said."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from data.cohort.waves import RMS, wave, wave_slope

TURNS = np.linspace(-3.0, 3.0, 60_001)


def test_is_a_sine_within_six_hundredths_for_all_periods():
    values = np.asarray(wave(jnp.asarray(TURNS)))
    assert np.abs(values).max() <= 1.0 + 1e-5
    assert np.abs(values - np.sin(2 * np.pi * TURNS)).max() < 0.06


def test_the_slope_is_the_derivative_and_continuous():
    values, slopes = np.asarray(wave(jnp.asarray(TURNS))), np.asarray(wave_slope(jnp.asarray(TURNS)))
    step = TURNS[1] - TURNS[0]
    # The slope between two places is the mean of theirs, but where two parabolas meet.
    np.testing.assert_allclose(np.diff(values) / step, 0.5 * (slopes[1:] + slopes[:-1]), atol=0.02)
    assert np.abs(np.diff(slopes)).max() < 40 * step


def test_root_mean_square():
    values = np.asarray(wave(jnp.asarray(TURNS[:-1])), np.float64)
    np.testing.assert_allclose(np.sqrt((values**2).mean()), RMS, rtol=1e-4)

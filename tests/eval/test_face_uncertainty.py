"""Calibration against errors whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from eval.face_errors import FACE, TrueFace
from eval.face_uncertainty import LEVELS, NormalErrors, calibrate, gaussian_crps, normal_errors, sd_of_samples
from fields.mesh import Mesh
from tests.data_made import sphere
from tests.skulls_made import shipped_prior

HEADS, POINTS = 60, 500


def made(claimed: float = 1.0, *, constant: bool = False, seed: int = 0) -> list[NormalErrors]:
    """Heads whose errors are Gaussian with a standard deviation that differs from point to point; they claim so many
    times that."""
    rng = np.random.default_rng(seed)
    heads = []
    for _ in range(HEADS):
        sd = np.full(POINTS, 1.5) if constant else np.exp(rng.normal(0.3, 0.5, POINTS))
        half = np.arange(POINTS) < POINTS // 2
        heads.append(NormalErrors(rng.normal(size=POINTS) * sd, claimed * sd, {"upper": half, "lower": ~half}))
    return heads


def test_true_uncertainty_covers_what_it_says() -> None:
    calibration = calibrate(made())
    assert calibration.subjects == HEADS
    assert set(calibration.regions) == {FACE, "upper", "lower"}
    for region in calibration.regions.values():
        for level in LEVELS:
            assert region.coverage[level].value == pytest.approx(level, abs=0.015)
            assert region.coverage[level].low < region.coverage[level].value < region.coverage[level].high
        assert region.sd_mm == pytest.approx(region.rms_mm, rel=0.05)


@pytest.mark.parametrize("claimed", [0.5, 2.0])
def test_wrong_uncertainty_is_seen(claimed: float) -> None:
    calibration = calibrate(made(claimed))
    expected = 2.0 * scipy.stats.norm.cdf(claimed * scipy.stats.norm.ppf(0.95)) - 1.0
    assert calibration.regions[FACE].coverage[0.9].value == pytest.approx(expected, abs=0.015)
    assert calibration.crps_mm.value > calibrate(made()).crps_mm.value


def test_knowing_where_beats_a_constant_width_and_correlates() -> None:
    calibration = calibrate(made())
    assert calibration.crps_gain_mm.low > 0.0
    assert calibration.crps_constant_mm.value - calibration.crps_mm.value == pytest.approx(
        calibration.crps_gain_mm.value
    )
    assert 0.3 < calibration.spearman.low < calibration.spearman.value < calibration.spearman.high < 0.6
    assert calibration.spearman_within.value == pytest.approx(calibration.spearman.value, abs=0.05)


def test_a_constant_width_gains_nothing_over_itself() -> None:
    calibration = calibrate(made(constant=True))
    assert calibration.constant_mm == pytest.approx(1.5, rel=0.03)
    assert calibration.crps_gain_mm.value == pytest.approx(0.0, abs=1e-3)
    assert np.isnan(calibration.spearman.value)


def test_score_of_a_gaussian_is_its_integral() -> None:
    for error, sd in ((0.0, 1.0), (1.3, 0.7), (-4.0, 2.0)):

        def squared(x: float, error: float = error, sd: float = sd) -> float:
            return float((scipy.stats.norm.cdf(x, scale=sd) - (x >= error)) ** 2)

        expected = scipy.integrate.quad(squared, -40.0, error)[0] + scipy.integrate.quad(squared, error, 40.0)[0]
        assert gaussian_crps(np.array([error]), np.array([sd]))[0] == pytest.approx(expected, abs=1e-6)


def test_errors_of_concentric_spheres_lie_along_the_normal() -> None:
    mean, true = sphere(80.0, subdivisions=5), sphere(82.0, subdivisions=5)
    truth = TrueFace(true, np.ones(len(true.faces), dtype=bool), shipped_prior().landmark_points(), np.eye(4))
    # A linear sd is interpolated without error but for the facets.
    sd = 2.0 + mean.vertices[:, 1] / 80.0
    found = normal_errors(mean, sd, truth, count=1_000)
    np.testing.assert_allclose(found.error_mm, 2.0, atol=0.06)
    assert found.sd_mm.min() == pytest.approx(1.0, abs=0.05)
    assert found.sd_mm.max() == pytest.approx(3.0, abs=0.05)
    inside = normal_errors(true, sd, TrueFace(mean, truth.triangles, truth.landmarks, np.eye(4)), count=1_000)
    np.testing.assert_allclose(inside.error_mm, -2.0, atol=0.06)


def test_made_surfaces_give_nominal_coverage() -> None:
    """From meshes to coverage: truths that wave about the mean by as much as is said."""
    rng = np.random.default_rng(0)
    mean = sphere(80.0, subdivisions=4)
    out = mean.vertices / 80.0
    sd = 1.0 + 0.5 * out[:, 1]
    heads = []
    for _ in range(40):
        directions, phases = rng.normal(size=(30, 3)) * 3.0, rng.uniform(0.0, 2.0 * np.pi, 30)
        wave = np.sqrt(2.0 / 30.0) * np.cos(out @ directions.T + phases).sum(axis=1)
        true = Mesh(mean.vertices + (sd * wave)[:, None] * out, mean.faces)
        truth = TrueFace(true, np.ones(len(true.faces), dtype=bool), shipped_prior().landmark_points(), np.eye(4))
        heads.append(normal_errors(mean, sd, truth, count=300))
    face = calibrate(heads).regions[FACE]
    for level in LEVELS:
        assert face.coverage[level].value == pytest.approx(level, abs=0.03)


def test_spread_of_samples_is_their_own_whatever_their_topology() -> None:
    mean = sphere(80.0, subdivisions=4)
    samples = [sphere(radius, subdivisions=5) for radius in (77.0, 80.0, 83.0)]
    np.testing.assert_allclose(sd_of_samples(mean, samples), 3.0, atol=0.05)
    with pytest.raises(ValueError, match="two samples"):
        sd_of_samples(mean, samples[:1])


def test_nothing_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="no predictions"):
        calibrate([])

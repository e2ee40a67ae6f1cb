"""The classic fit on sampled skulls: depths, cover, fullness, and the true face."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data.fittable_head import FittableHead
from data.landmarks import FRANKFURT, abbreviation_of
from data.parametric import FittedHead, fit_head, posed_mesh
from eval.metrics import surface_errors
from eval.regions import region_faces
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.skulls_made import alignment, shipped_prior, true_in_head_frame

SEEDS = (0, 1)


@pytest.fixture(scope="module")
def head() -> FittableHead:
    return FittableHead.of_prior(shipped_prior())


@pytest.fixture(scope="module")
def fits(head: FittableHead) -> dict[tuple[int, float], FittedHead]:
    """By seed and fullness."""
    return {
        (seed, fullness): fit_head(head, alignment(seed), shipped_prior(), fullness)
        for seed, fullness in ((0, 0.0), (1, 0.0), (0, 2.0))
    }


def misses(fit: FittedHead) -> list[float]:
    return [abs(fit.depths_mm[key] - target) for key, target in fit.depth_targets_mm.items()]


@pytest.mark.parametrize("seed", SEEDS)
def test_depths_reach_their_targets(fits, seed):
    fit, table = fits[seed, 0.0], shipped_prior().tissue
    assert set(fit.depths_mm) == set(fit.depth_targets_mm)
    assert len(fit.depths_mm) >= 30
    assert not {abbreviation_of(key) for key in fit.depths_mm} & set(FRANKFURT)
    assert np.mean(misses(fit)) < 1.5
    for key, target in fit.depth_targets_mm.items():
        assert target == table.at(key)


@pytest.mark.parametrize("seed", SEEDS)
def test_depths_are_measured_on_the_result(fits, seed):
    fit, aligned = fits[seed, 0.0], alignment(seed)
    ends = np.stack([aligned.landmarks[key] + fit.depths_mm[key] * aligned.directions[key] for key in fit.depths_mm])
    assert DistanceScene(fit.mesh).distance(ends).max() < 1e-3


def test_bone_stays_under_the_skin(fits):
    for (seed, _), fit in fits.items():
        assert fit.least_cover_mm >= 0.5
        bone = alignment(seed).bone_points
        inside = DistanceScene(fit.mesh).signed_distance(bone[bone[:, 2] > 0])
        assert inside.max() < 0.0


def test_fullness_widens_the_cheeks_more_than_the_brow(fits):
    thin, full = fits[0, 0.0].depths_mm, fits[0, 2.0].depths_mm

    def growth(*keys: str) -> float:
        return float(np.mean([full[key] - thin[key] for key in keys]))

    cheeks, brow = growth("zy_l", "zy_r", "mr_l", "mr_r"), growth("g", "n")
    assert cheeks > 3.0
    assert cheeks > 4 * abs(brow)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_face_is_nearer_the_truth_than_the_mean_is(fits, seed):
    true = true_in_head_frame(seed)
    region = region_faces(true.head, "face", true.landmarks)

    def error(mesh: Mesh) -> float:
        return surface_errors(mesh, true.head, region, 4000).true_to_predicted.mean_mm

    assert error(fits[seed, 0.0].mesh) < error(shipped_prior().head_mesh())


@pytest.mark.parametrize("seed", SEEDS)
def test_coefficients(fits, head, seed):
    fit = fits[seed, 0.0]
    identities = head.model.shapedirs.shape[2]
    assert fit.betas.shape == fit.betas_sd.shape == (identities,)
    assert np.abs(fit.betas).max() < 4.0
    # What targets tell can only narrow the prior.
    assert (fit.betas_sd > 0).all()
    assert fit.betas_sd.max() < 1.01
    assert fit.betas_sd.min() < 0.6
    assert np.degrees(np.linalg.norm(fit.turn)) < 10.0
    assert np.linalg.norm(fit.move) < 12.0
    assert fit.outcome == "converged"
    x = np.concatenate([fit.betas, fit.turn / 0.06, fit.move / 4.0]).astype(np.float32)
    np.testing.assert_allclose(posed_mesh(head.model, x).vertices, fit.mesh.vertices, atol=1e-3)


def test_no_parameters_give_the_mean(head):
    x = np.zeros(head.model.shapedirs.shape[2] + 6, dtype=np.float32)
    np.testing.assert_allclose(posed_mesh(head.model, x).vertices, shipped_prior().head_mesh().vertices, atol=1e-4)


def test_few_landmarks_are_refused(head):
    few = {key: alignment(0).landmarks[key] for key in ("n", "g", "zy_l", "zy_r", "pr", "po_l", "po_r", "or_l")}
    with pytest.raises(InputError, match="only 5 landmarks"):
        fit_head(head, dataclasses.replace(alignment(0), landmarks=few), shipped_prior())


def test_missing_landmarks_are_not_targets(head):
    no_jaw = {key: point for key, point in alignment(0).landmarks.items() if point[1] > -45.0}
    fit = fit_head(head, dataclasses.replace(alignment(0), landmarks=no_jaw), shipped_prior())
    assert set(fit.depth_targets_mm) <= set(no_jaw)
    assert "me" not in fit.depth_targets_mm
    assert np.isfinite(fit.mesh.vertices).all()
    assert fit.least_cover_mm >= 0.5

"""Thin-plate splines and similarity transforms."""

from __future__ import annotations

import numpy as np
import pytest

from data.warp import similarity, thin_plate_matrix

_RNG = np.random.default_rng(0)
_CONTROLS = _RNG.uniform(-80, 80, (25, 3))
_POINTS = _RNG.uniform(-100, 100, (200, 3))


def _turn(angle: float) -> np.ndarray:
    axis = np.array([1.0, -2.0, 2.0]) / 3.0
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) - np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_controls_are_interpolated() -> None:
    np.testing.assert_allclose(thin_plate_matrix(_CONTROLS, _CONTROLS), np.eye(25), atol=1e-8)


@pytest.mark.parametrize("smoothness", [0.0, 5.0])
def test_affine_maps_are_reproduced(smoothness: float) -> None:
    matrix = thin_plate_matrix(_CONTROLS, _POINTS, smoothness)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-8)
    affine, shift = _RNG.normal(size=(3, 3)), _RNG.normal(size=3)
    np.testing.assert_allclose(matrix @ (_CONTROLS @ affine + shift), _POINTS @ affine + shift, atol=1e-6)


def test_smoothness_spreads_one_controls_outlier() -> None:
    heights = [thin_plate_matrix(_CONTROLS, _CONTROLS, smoothness)[7, 7] for smoothness in (0.0, 1.0, 10.0)]
    assert heights[0] > heights[1] > heights[2] > 0.0


def test_controls_in_one_plane_are_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        thin_plate_matrix(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]]), _POINTS)


@pytest.mark.parametrize("angle", [0.3, 2.5, np.pi])
def test_a_similarity_is_recovered(angle: float) -> None:
    rotation, shift = _turn(angle), np.array([10.0, -20.0, 30.0])
    for scale, scaled in ((0.37, True), (1.0, False), (1.0, True)):
        transform = similarity(_POINTS, scale * _POINTS @ rotation.T + shift, scaled=scaled)
        np.testing.assert_allclose(transform[:3, :3], scale * rotation, atol=1e-10)
        np.testing.assert_allclose(transform[:3, 3], shift, atol=1e-8)


def test_without_scale_it_stays_rigid_and_never_mirrors() -> None:
    transform = similarity(_POINTS, 2.0 * _POINTS, scaled=False)
    np.testing.assert_allclose(transform[:3, :3], np.eye(3), atol=1e-10)
    assert np.linalg.det(similarity(_POINTS, _POINTS * [-1, 1, 1])[:3, :3]) > 0.0


def test_points_without_weight_do_not_count() -> None:
    target = _POINTS + np.array([1.0, 2.0, 3.0])
    target[:5] += 500.0
    transform = similarity(_POINTS, target, (np.arange(200) >= 5).astype(float))
    np.testing.assert_allclose(transform[:3, 3], [1.0, 2.0, 3.0], atol=1e-8)

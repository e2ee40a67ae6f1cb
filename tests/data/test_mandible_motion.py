"""The mandible's motion: rigid at every weight, and as near to points that move in straight lines as can be."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.mandible_motion import MandibleMotion
from data.warp import similarity
from fields.mesh import transform_points

HINGE = np.array([2.0, -5.0, 14.0])
AXIS = np.array([1.0, 0.0, 0.0])
ANGLE = np.radians(25.0)
WEIGHTS = (0.0, 0.2, 0.5, 0.8, 1.0)


def arch(*, flat: bool) -> np.ndarray:
    """Lower teeth, more or less: in a plane across the axis or on an arch."""
    turn = np.linspace(-1.2, 1.2, 25)
    points = np.stack([25.0 * np.sin(turn), -40.0 + 3.0 * np.cos(5.0 * turn), 40.0 + 40.0 * np.cos(turn)], axis=1)
    return points * ([0.0, 1.0, 1.0] if flat else [1.0, 1.0, 1.0])


def turned(points: np.ndarray, angle: float = ANGLE) -> np.ndarray:
    return (points - HINGE) @ Rotation.from_rotvec(angle * AXIS).as_matrix().T + HINGE


def motion(*, flat: bool = False) -> MandibleMotion:
    teeth = arch(flat=flat)
    return MandibleMotion.of_points(teeth, turned(teeth) - teeth)


def at(found: MandibleMotion, weight: float) -> np.ndarray:
    return np.asarray(found.at(weight), np.float64)


def test_closed_at_0_and_open_at_1():
    np.testing.assert_allclose(at(motion(), 0.0), np.eye(4), atol=1e-6)
    teeth = arch(flat=False)
    np.testing.assert_allclose(transform_points(at(motion(), 1.0), teeth), turned(teeth), atol=1e-3)
    assert float(motion().angle) == pytest.approx(ANGLE)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_rigid(weight):
    linear = at(motion(), weight)[:3, :3]
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(linear) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(at(motion(), weight)[3], [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_rotation_nearest_to_points_that_move_in_straight_lines(weight):
    teeth = arch(flat=True)
    linear = teeth + weight * (turned(teeth) - teeth)
    np.testing.assert_allclose(at(motion(flat=True), weight), similarity(teeth, linear, scaled=False), atol=1e-3)


def test_the_hinge_stays():
    np.testing.assert_allclose(motion().hinge()[1:], HINGE[1:], atol=1e-6)


def test_the_same_motion_in_another_frame():
    transform = np.eye(4)
    transform[:3, :3] = 1.3 * Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix()
    transform[:3, 3] = [10.0, -4.0, 7.0]
    there = motion().moved(transform)
    for weight in WEIGHTS:
        here = transform_points(transform, transform_points(at(motion(), weight), arch(flat=False)))
        moved = transform_points(at(there, weight), transform_points(transform, arch(flat=False)))
        np.testing.assert_allclose(moved, here, atol=1e-3)


def test_midsagittal():
    askew = motion().moved(np.block([[Rotation.from_rotvec([0, 0, 0.05]).as_matrix(), np.ones((3, 1))], [0, 0, 0, 1]]))
    straight = askew.midsagittal()
    np.testing.assert_array_equal(straight.axis, AXIS)
    for weight in WEIGHTS:
        np.testing.assert_array_equal(transform_points(at(straight, weight), np.array([[0.0, -40.0, 80.0]]))[:, 0], 0.0)


def test_smooth_and_traceable():
    single = motion().in_single_precision()
    weights = jnp.linspace(0.0, 1.0, 21)
    transforms, slopes = (jax.jit(jax.vmap(of))(weights) for of in (single.at, jax.jacfwd(single.at)))
    np.testing.assert_allclose(transforms[10], single.at(0.5), atol=1e-5)
    # Slopes agree with differences between neighbours on both sides.
    np.testing.assert_allclose(slopes[1:-1], (transforms[2:] - transforms[:-2]) / 0.1, atol=0.05)

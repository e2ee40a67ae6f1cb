"""The code of a face, and back."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fields.latent import OPENING_SCALE, POSE, SHIFT_SCALE_MM, TURN_SCALE, HeadPose, decoded, encoded

COEFFICIENTS = 5


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def code(seed: int, spread: float = 1.0) -> np.ndarray:
    made = spread * np.random.default_rng(seed).normal(size=COEFFICIENTS + POSE)
    made[-POSE] = abs(made[-POSE])
    return made


@pytest.mark.parametrize("spread", [1e-9, 1e-4, 1.0, 10.0])
def test_a_code_comes_back(spread: float) -> None:
    made = code(0, spread)
    np.testing.assert_allclose(encoded(decoded(jnp.asarray(made))), made, rtol=1e-7, atol=1e-12)


def test_a_head_comes_back() -> None:
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec([0.3, -1.2, 0.7]).as_matrix()
    transform[:3, 3] = [4.0, -50.0, 6.0]
    pose = HeadPose(np.arange(COEFFICIENTS) - 2.0, np.asarray(0.4), transform)
    back = decoded(encoded(pose))
    np.testing.assert_allclose(back.coefficients, pose.coefficients)
    np.testing.assert_allclose(back.opening, 0.4)
    np.testing.assert_allclose(back.T_skull_model, transform, atol=1e-12)


def test_what_stands_where() -> None:
    """Opening, turn and shift follow the coefficients, each by its scale."""
    made = np.zeros(COEFFICIENTS + POSE)
    made[COEFFICIENTS:] = [2.0, 0.0, 0.0, 3.0, 0.0, 1.0, 0.0]
    pose = decoded(jnp.asarray(made))
    assert float(pose.opening) == pytest.approx(2.0 * OPENING_SCALE)
    turn = Rotation.from_rotvec([0.0, 0.0, 3.0 * TURN_SCALE]).as_matrix()
    np.testing.assert_allclose(pose.T_skull_model[:3, :3], turn, atol=1e-12)
    np.testing.assert_allclose(pose.T_skull_model[:, 3], [0.0, SHIFT_SCALE_MM, 0.0, 1.0])
    np.testing.assert_array_equal(pose.coefficients, 0.0)


def test_a_jaw_is_not_more_than_shut() -> None:
    made = code(1)
    made[COEFFICIENTS] = -2.0
    assert float(decoded(jnp.asarray(made)).opening) == 0.0


def test_slopes_are_finite_where_nothing_turns() -> None:
    slopes = jax.jacobian(lambda made: decoded(made).T_skull_model)(jnp.zeros(COEFFICIENTS + POSE))
    assert np.isfinite(slopes).all()
    assert float(slopes[2, 1, -6]) == pytest.approx(TURN_SCALE)

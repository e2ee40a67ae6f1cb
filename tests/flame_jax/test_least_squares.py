"""Levenberg-Marquardt: against scipy, batched, in both precisions, and honest about what it reached."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from flame_jax import Outcome, axis_angle_to_matrix, geman_mcclure, levenberg_marquardt


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _rosenbrock(x):
    return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def _linear(x, matrix, target):
    return matrix @ x - target


def _decay(x, times, values):
    return x[0] * jnp.exp(-x[1] * times) + x[2] - values


def _powell_singular(x):
    return jnp.stack(
        [x[0] + 10 * x[1], jnp.sqrt(5.0) * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, jnp.sqrt(10.0) * (x[0] - x[3]) ** 2]
    )


def _decay_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    times = np.linspace(0, 4, 60)
    return times, 2.5 * np.exp(-1.3 * times) + 0.5 + 0.05 * rng.normal(size=60)


def _problems():
    rng = np.random.default_rng(1)
    linear = (rng.normal(size=(30, 8)), rng.normal(size=30))
    return {
        "rosenbrock": (_rosenbrock, np.array([-1.2, 1.0]), ()),
        "linear": (_linear, np.zeros(8), linear),
        "linear, badly scaled": (_linear, np.ones(8), (linear[0] * np.geomspace(1e-5, 1e5, 8), linear[1])),
        "decay": (_decay, np.array([1.0, 1.0, 0.0]), _decay_data()),
    }


@pytest.mark.parametrize("name", list(_problems()))
def test_against_scipy(name: str) -> None:
    residual, start, args = _problems()[name]
    solution = levenberg_marquardt(residual, start, args, max_iterations=100)
    reference = scipy.optimize.least_squares(
        lambda x: np.asarray(residual(x, *args)), start, method="lm", x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert solution.code == Outcome.CONVERGED
    np.testing.assert_allclose(solution.x, reference.x, rtol=1e-6)
    np.testing.assert_allclose(solution.cost, reference.cost, rtol=1e-10, atol=1e-20)


@pytest.mark.parametrize("name", ["rosenbrock", "linear", "decay"])
def test_single_precision(name: str) -> None:
    residual, start, args = _problems()[name]
    exact = levenberg_marquardt(residual, start, args, max_iterations=100)
    single = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), (start, args))
    solution = levenberg_marquardt(residual, *single, max_iterations=100)
    assert solution.x.dtype == jnp.float32
    assert solution.code == Outcome.CONVERGED
    np.testing.assert_allclose(solution.x, exact.x, atol=2e-3)
    np.testing.assert_allclose(solution.cost, exact.cost, rtol=1e-5, atol=1e-8)


def test_linear_problem_takes_few_steps() -> None:
    residual, start, args = _problems()["linear"]
    assert levenberg_marquardt(residual, start, args).iterations <= 8


def test_vmap_gives_what_single_solves_give() -> None:
    starts = np.array([[-1.2, 1.0], [2.0, 2.0], [1.0, 1.0], [0.0, -3.0]])
    batch = jax.vmap(lambda start: levenberg_marquardt(_rosenbrock, start, max_iterations=100, with_covariance=True))(
        starts
    )
    assert batch.x.shape == (4, 2)
    assert batch.covariance is not None
    assert batch.covariance.shape == (4, 2, 2)
    assert (batch.code == Outcome.CONVERGED).all()
    for index, start in enumerate(starts):
        one = levenberg_marquardt(_rosenbrock, start, max_iterations=100)
        assert one.iterations == batch.iterations[index]
        np.testing.assert_allclose(batch.x[index], one.x, rtol=1e-9)
    assert batch.iterations[2] == 0


def test_rank_deficient_problem_reaches_the_least_cost() -> None:
    rng = np.random.default_rng(3)
    # Columns 4 and 5 repeat others, and nothing depends on the last parameter.
    matrix = np.concatenate([rng.normal(size=(20, 4)), np.zeros((20, 3))], axis=1)
    matrix[:, 4], matrix[:, 5] = matrix[:, 0], matrix[:, 1] - 2 * matrix[:, 2]
    target = rng.normal(size=20)
    solution = levenberg_marquardt(_linear, np.ones(7), (matrix, target), with_covariance=True)
    least = 0.5 * np.sum((matrix @ np.linalg.lstsq(matrix, target)[0] - target) ** 2)
    assert solution.code == Outcome.CONVERGED
    np.testing.assert_allclose(solution.cost, least, rtol=1e-12)
    assert solution.x[6] == 1
    assert np.isfinite(solution.covariance).all()
    variances = np.diag(solution.covariance)
    assert (variances[[0, 1, 2, 4, 5, 6]] > 1e10).all()
    assert variances[3] < 10


def test_singular_jacobian_at_the_minimum() -> None:
    solution = levenberg_marquardt(_powell_singular, np.array([3.0, -1.0, 0.0, 1.0]), max_iterations=100)
    assert solution.code == Outcome.CONVERGED
    assert solution.cost < 1e-25


def test_covariance() -> None:
    times, values = _decay_data()
    sd = np.full(60, 0.05)

    def model(times: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a * np.exp(-b * times) + c

    solution = levenberg_marquardt(
        lambda x, times, values: _decay(x, times, values) / sd, np.ones(3), (times, values), with_covariance=True
    )
    _, wanted = scipy.optimize.curve_fit(model, times, values, np.ones(3), sd, absolute_sigma=True)
    np.testing.assert_allclose(solution.covariance, wanted, rtol=1e-4)


def test_given_jacobian() -> None:
    residual, start, args = _problems()["linear"]
    wanted = levenberg_marquardt(residual, start, args)
    solution = levenberg_marquardt(residual, start, args, jacobian_fn=lambda x, matrix, target: matrix)
    np.testing.assert_allclose(solution.x, wanted.x, rtol=1e-12)


def test_stops_at_the_limit_and_says_so() -> None:
    start = np.array([-1.2, 1.0])
    solution = levenberg_marquardt(_rosenbrock, start, max_iterations=3)
    assert solution.code == Outcome.MAX_ITERATIONS
    assert solution.iterations == 3
    assert solution.cost < 0.5 * np.sum(np.asarray(_rosenbrock(start)) ** 2)
    untouched = levenberg_marquardt(_rosenbrock, start, max_iterations=0)
    np.testing.assert_array_equal(untouched.x, start)


def test_a_wrong_jacobian_stalls_and_says_so() -> None:
    start = np.array([-1.2, 1.0])
    solution = levenberg_marquardt(_rosenbrock, start, jacobian_fn=lambda x: -jax.jacfwd(_rosenbrock)(x))
    assert solution.code == Outcome.STALLED
    np.testing.assert_array_equal(solution.x, start)


@pytest.mark.parametrize("start", [-1.0, np.nan, np.inf])
def test_a_start_that_is_not_finite_says_so(start: float) -> None:
    solution = levenberg_marquardt(lambda x: jnp.sqrt(x) - 2, np.array([start]))
    assert solution.code == Outcome.NOT_FINITE
    assert solution.iterations == 0


def test_steps_into_the_undefined_are_taken_back() -> None:
    # A full step from 1e-3 lands far below zero, where the logarithm is not a number.
    solution = levenberg_marquardt(lambda x: jnp.log(x) - jnp.log(0.5) + 0 * x, np.array([5.0]))
    assert solution.code == Outcome.CONVERGED
    np.testing.assert_allclose(solution.x, 0.5, rtol=1e-8)


def _registration(pose, source, target):
    return jnp.ravel(geman_mcclure(source @ axis_angle_to_matrix(pose[:3]).T + pose[3:][None, :] - target, 1.0))


def test_rigid_registration_from_zero_with_outliers() -> None:
    rng = np.random.default_rng(4)
    source = rng.normal(size=(80, 3))
    pose = np.array([0.3, -0.2, 0.4, 0.5, -0.3, 0.2])
    target = np.array(source @ np.asarray(axis_angle_to_matrix(pose[:3])).T + pose[3:])
    target[:8] += 20
    solution = levenberg_marquardt(_registration, np.zeros(6), (source, target))
    assert solution.code == Outcome.CONVERGED
    np.testing.assert_allclose(solution.x, pose, rtol=0, atol=1e-3)


def test_inside_jit_with_other_operations() -> None:
    @jax.jit
    def nearest(target):
        return levenberg_marquardt(lambda x, target: x**2 - target, jnp.ones(2), (target,)).x * 2

    np.testing.assert_allclose(nearest(jnp.array([4.0, 9.0])), [4, 6], rtol=1e-9)

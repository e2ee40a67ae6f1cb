"""The regression against its primal form, and the choice of its penalty."""

from __future__ import annotations

import numpy as np

from eval.regression.ridge import Ridge, best_penalty


def made(people: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(people, 30)) + 5.0
    return seen, seen @ np.random.default_rng(9).normal(size=(30, 4)) + noise * rng.normal(size=(people, 4)) - 3.0


def test_the_dual_is_the_primal() -> None:
    seen, results = made(50, 1.0)
    others, _ = made(7, 1.0, seed=1)
    centred, mean = seen - seen.mean(axis=0), results.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + 3.0 * np.eye(30), centred.T @ (results - mean))
    expected = mean + (others - seen.mean(axis=0)) @ weights
    np.testing.assert_allclose(Ridge.fit(seen, results, 3.0).predict(others), expected, atol=1e-10)


def test_single_precision_is_enough_for_results() -> None:
    seen, results = made(50, 1.0)
    others, _ = made(7, 1.0, seed=1)
    exact = Ridge.fit(seen, 100.0 * results, 3.0).predict(others)
    single = Ridge.fit(seen, (100.0 * results).astype(np.float32), 3.0).predict(others)
    np.testing.assert_allclose(single, exact, atol=2e-3)


def test_a_linear_rule_is_found_and_a_huge_penalty_gives_the_mean() -> None:
    seen, results = made(200, 0.0)
    others, expected = made(7, 0.0, seed=1)
    np.testing.assert_allclose(Ridge.fit(seen, results, 1e-6).predict(others), expected, atol=1e-5)
    far = Ridge.fit(seen, results, 1e12).predict(others)
    np.testing.assert_allclose(far, np.broadcast_to(results.mean(axis=0), far.shape), atol=1e-5)


def test_noise_wants_a_larger_penalty() -> None:
    penalties = (1e-3, 1.0, 300.0)
    assert best_penalty(*made(60, 0.0), penalties) == penalties[0]
    assert best_penalty(*made(60, 30.0), penalties) == penalties[-1]

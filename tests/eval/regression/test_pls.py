"""Partial least squares where the answer is known: a linear rule, few directions that matter, noise."""

from __future__ import annotations

import numpy as np

from eval.regression.pls import Pls, best_latent


def made(people: int, noise: float, seed: int = 0, directions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Results depend on a few directions of what is seen, which are not its largest."""
    rng, rule = np.random.default_rng(seed), np.random.default_rng(9)
    seen = rng.normal(size=(people, 12)) * np.linspace(2.0, 1.0, 12) + 5.0
    into = rule.normal(size=(directions, 20))
    return seen, seen[:, -directions:] @ into + noise * rng.normal(size=(people, 20)) - 3.0


def test_a_linear_rule_is_found() -> None:
    pls = Pls.fit(*made(200, 0.0))
    others, expected = made(7, 0.0, seed=1)
    np.testing.assert_allclose(pls.predict(others), expected, atol=1e-6)


def test_it_predicts_the_mean_of_the_mean() -> None:
    seen, results = made(100, 1.0)
    predicted = Pls.fit(seen, results).predict(seen.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(predicted[0], results.mean(axis=0), atol=1e-9)


def test_noise_wants_fewer_latent_components() -> None:
    assert best_latent(*made(60, 0.0)) > best_latent(*made(60, 15.0))


def test_with_all_latent_components_it_is_least_squares() -> None:
    seen, results = made(200, 0.0, directions=12)
    others, _ = made(7, 0.0, seed=1, directions=12)
    ones = np.ones((len(seen), 1))
    weights = np.linalg.lstsq(np.concatenate([seen, ones], axis=1), results, rcond=None)[0]
    expected = np.concatenate([others, np.ones((7, 1))], axis=1) @ weights
    np.testing.assert_allclose(Pls.fit(seen, results).predict(others), expected, atol=1e-5)

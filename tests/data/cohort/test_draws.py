"""Draws from a row of uniform numbers: their chances, sizes and directions, and that none is used twice."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from data.cohort.draws import Draws

COUNT = 20_000
ROWS = np.random.default_rng(0).random((COUNT, 8), np.float32)


def many(method: Callable[[Draws], jax.Array], severity: float = 1.0) -> np.ndarray:
    """What a method draws from each of the rows."""
    return np.asarray(jax.jit(jax.vmap(lambda row, level: method(Draws(row, level)), (0, None)))(ROWS, severity))


def near(rate: float, chance: float) -> bool:
    """Within four standard deviations of a binomial share."""
    return abs(rate - chance) <= 4.0 * (chance * (1.0 - chance) / COUNT) ** 0.5


def test_every_number_is_used_once():
    draws = Draws(np.arange(6, dtype=np.float32) / 8.0, 1.0)
    drawn = [draws.even(0.0, 8.0), draws.even(0.0, 8.0, (2, 2)), draws.even(8.0, 16.0)]
    np.testing.assert_array_equal(np.concatenate([np.ravel(some) for some in drawn]), [0, 1, 2, 3, 4, 13])
    with pytest.raises(ValueError, match="6 uniform numbers is too short"):
        draws.even(0.0, 1.0)


@pytest.mark.parametrize("chance", [0.06, 0.7, 1.0])
def test_chances_grow_with_severity(chance):
    happened = {level: many(lambda draws: draws.happens(chance), level) for level in (0.0, 0.5, 1.0, 3.0)}
    assert not happened[0.0].any()
    for level, drawn in happened.items():
        assert near(drawn.mean(), 1.0 - (1.0 - chance) ** level), level
    # Whom a lower severity meets, a higher one meets too.
    assert (happened[1.0] <= happened[3.0]).all()
    assert (happened[0.5] <= happened[1.0]).all()


@pytest.mark.parametrize(("least", "worst"), [(2.0, 20.0), (0.65, 0.33)])
def test_sizes_are_even_and_nearer_to_the_worst_with_more(least, worst):
    sizes = {level: many(lambda draws: draws.worse(least, worst), level) for level in (0.0, 0.5, 1.0, 3.0)}
    shares = {level: (size - least) / (worst - least) for level, size in sizes.items()}
    assert all(share.min() >= -1e-5 and share.max() <= 1.0 + 1e-5 for share in shares.values())
    for level in (0.5, 1.0, 3.0):
        # P(U^(1/s) < x) = x^s.
        assert scipy.stats.kstest(shares[level], lambda x, s=level: np.clip(x, 0.0, 1.0) ** s).statistic < 0.015
    assert (shares[3.0] >= shares[1.0] - 1e-5).all()


def test_choices_have_their_chances():
    drawn = many(lambda draws: draws.choice((0.5, 0.2, 0.15, 0.15)))
    for index, chance in enumerate((0.5, 0.2, 0.15, 0.15)):
        assert near((drawn == index).mean(), chance)


@pytest.mark.parametrize("eligible", [(0, 1, 0, 0, 1, 1, 0), (1, 0, 0, 0, 0, 0, 1), (0, 0, 1, 0, 0, 0, 0)])
def test_items_are_drawn_evenly_among_the_eligible(eligible):
    mask = np.array(eligible, bool)
    drawn = many(lambda draws: draws.one_of(jnp.asarray(mask), (3,)))
    assert drawn.shape == (COUNT, 3)
    for column in drawn.T:
        rates = np.bincount(column, minlength=len(mask)) / COUNT
        assert not rates[~mask].any()
        assert all(near(rate, 1.0 / mask.sum()) for rate in rates[mask])


def test_directions_cover_the_sphere_evenly():
    drawn = many(lambda draws: draws.direction((2,)))[:, 1]
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    for axis in (np.eye(3)[0], np.eye(3)[2], np.array([0.6, 0.0, -0.8])):
        assert scipy.stats.kstest(drawn @ axis, scipy.stats.uniform(-1.0, 2.0).cdf).statistic < 0.015


def test_rotations_are_proper_and_even():
    drawn = many(lambda draws: draws.rotation()).astype(np.float64)
    np.testing.assert_allclose(drawn @ drawn.transpose(0, 2, 1), np.tile(np.eye(3), (COUNT, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(drawn), 1.0, atol=1e-5)
    # Over all rotations every turned axis is even over the sphere, and angles have the density (1 − cos) / π.
    for axis in range(3):
        assert scipy.stats.kstest(drawn[:, 2, axis], scipy.stats.uniform(-1.0, 2.0).cdf).statistic < 0.015
    angle = np.arccos(np.clip((np.trace(drawn, axis1=1, axis2=2) - 1.0) / 2.0, -1.0, 1.0))
    assert scipy.stats.kstest(angle, lambda x: (x - np.sin(x)) / np.pi).statistic < 0.015

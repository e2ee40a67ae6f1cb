"""How a head's coefficients are split into bone and tissue, on a small made problem."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from data.cohort.tissue_law import TissueLaw, tissue_covariance, tissue_law

IDENTITIES, DEVIATIONS = 12, 6
SD = np.array([1.0, 2.0, 1.5, 3.0, 0.5, 1.0])
LOADING = np.array([0.35, 0.2, 0.4, 0.15, 0.3, 0.1])
NOTHING_BETWEEN = (np.zeros((1, IDENTITIES)), np.ones(1))


def rows(strength: float, count: int = DEVIATIONS, seed: int = 0) -> np.ndarray:
    """Coordinates whose standard deviations among all heads are `strength` times one."""
    raw = np.random.default_rng(seed).standard_normal((count, IDENTITIES))
    return strength * raw / np.linalg.norm(raw, axis=1, keepdims=True)


def rest_correlation() -> np.ndarray:
    return 0.4 + 0.6 * np.eye(DEVIATIONS)


@functools.cache
def law(strength: float) -> TissueLaw:
    """Of skin that varies `strength` times as much as depths should."""
    return tissue_law(rows(strength) * SD[:, None], SD, LOADING, rest_correlation(), NOTHING_BETWEEN)


def tissue(of: TissueLaw) -> np.ndarray:
    """Q."""
    root, fullness = np.asarray(of.tissue_root, float), np.asarray(of.fullness, float)
    return root @ root.T + np.outer(fullness, fullness)


def score_covariance(of: TissueLaw) -> np.ndarray:
    seen, rest = np.asarray(of.seen, float), np.asarray(of.rest_root, float)
    return seen @ tissue(of) @ seen.T + rest @ rest.T


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_bone_and_tissue_make_up_the_head(strength: float) -> None:
    bone = np.asarray(law(strength).bone_root, float)
    np.testing.assert_allclose(bone @ bone.T + tissue(law(strength)), np.eye(IDENTITIES), atol=1e-5)
    values = np.linalg.eigvalsh(tissue(law(strength)))
    assert values.min() > -1e-5
    assert values.max() < 0.97 + 1e-5


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_scores_have_unit_variance(strength: float) -> None:
    np.testing.assert_allclose(np.diag(score_covariance(law(strength))), 1.0, atol=1e-3)


def test_skin_that_varies_enough_needs_no_remainder() -> None:
    """Then the depth is what the tissue makes of the skin, and the skull says nothing about it."""
    assert np.linalg.norm(law(2.0).rest_root, axis=1).max() < 0.05


def test_skin_that_varies_too_little_leaves_a_remainder() -> None:
    """All that can be is tissue, and what is missing correlates as wanted."""
    rest = np.asarray(law(0.5).rest_root, float)
    covariance = rest @ rest.T
    assert np.diag(covariance).min() > 1.0 - 0.97 * 0.5**2 - 1e-3
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(covariance / np.outer(sd, sd), rest_correlation(), atol=1e-3)


def test_fullness_is_seen_as_wanted_where_it_can_be() -> None:
    seen, q = np.asarray(law(2.0).seen, float), tissue(law(2.0))
    # What the shortest direction in units of the tissue would have to be as long as.
    assert LOADING @ np.linalg.solve(seen @ q @ seen.T, LOADING) < 0.9
    np.testing.assert_allclose(seen @ np.asarray(law(2.0).fullness, float), LOADING, atol=1e-3)


def test_fullness_never_asks_for_more_tissue_than_there_is() -> None:
    """Two depths that exclude each other cannot both follow fullness: the nearest that can be is between."""
    opposed = np.concatenate([rows(2.0, 1), -rows(2.0, 1)])
    made = tissue_law(opposed, np.ones(2), np.array([0.8, 0.6]), np.eye(2), NOTHING_BETWEEN)
    loading = np.asarray(made.seen @ made.fullness, float)
    np.testing.assert_allclose(loading, [0.1, -0.1], atol=1e-3)
    steep = tissue_law(rows(0.5), np.ones(DEVIATIONS), np.ones(DEVIATIONS), np.eye(DEVIATIONS), NOTHING_BETWEEN)
    for one in (made, steep):
        left = tissue(one) - np.outer(one.fullness, one.fullness)
        assert np.linalg.eigvalsh(left).min() > -1e-5
    assert 0.1 < np.asarray(steep.seen @ steep.fullness, float).mean() < 0.5


@pytest.mark.parametrize("strength", [0.7, 1.5, 4.0])
def test_no_other_covariance_comes_nearer(strength: float) -> None:
    """The loss is convex: no step towards any other matrix between 0 and 1 lowers it."""
    seen = rows(strength, 20, seed=1) * np.linspace(0.5, 1.5, 20)[:, None]

    def loss(q: np.ndarray) -> float:
        over = np.einsum("jk,kl,jl->j", seen, q, seen) - 1.0
        return float((np.where(over > 0.0, 30.0, 1.0) * over**2).sum())

    found = tissue_covariance(seen)
    rng = np.random.default_rng(2)
    for _ in range(200):
        vectors = np.linalg.qr(rng.standard_normal((IDENTITIES, IDENTITIES)))[0]
        values = 0.97 * (rng.random(IDENTITIES) < rng.random())
        other = (vectors * values) @ vectors.T
        assert loss(found + 1e-3 * (other - found)) > loss(found) - 1e-6


def test_too_much_tissue_is_worse_than_too_little() -> None:
    """One coordinate twice, once to vary as much as it does and once a third as much: the smaller one decides."""
    row = rows(1.0, 1)
    q = tissue_covariance(np.concatenate([row, 3.0 * row]))
    small = float((3.0 * row @ q @ (3.0 * row).T)[0, 0])
    assert small == pytest.approx(1.0, abs=0.05)
    assert small > 1.0


def test_sites_between_count_for_the_covariance_only() -> None:
    sites = (rows(1.0, 8, seed=3), np.full(8, 0.3))
    made = tissue_law(rows(2.0), np.ones(DEVIATIONS), LOADING, rest_correlation(), sites)
    assert made.seen.shape == (DEVIATIONS, IDENTITIES)
    shallow = np.einsum("sk,kl,sl->s", sites[0], tissue(made), sites[0])
    alone = tissue_law(rows(2.0), np.ones(DEVIATIONS), LOADING, rest_correlation(), NOTHING_BETWEEN)
    before = np.einsum("sk,kl,sl->s", sites[0], tissue(alone), sites[0])
    assert shallow.max() < 0.3**2 * 1.2
    assert before.mean() > 1.5 * shallow.mean()
    # What the tissue lacks for it, the remainder makes up for.
    np.testing.assert_allclose(np.diag(score_covariance(made)), 1.0, atol=1e-3)


def test_samples_follow_the_law() -> None:
    count, made = 40_000, law(1.2)
    keys = jax.random.split(jax.random.key(0), 4)
    sizes = ((), (IDENTITIES,), (IDENTITIES,), (DEVIATIONS,))
    noise = [jax.random.normal(key, (count, *size)) for key, size in zip(keys, sizes, strict=True)]
    bone, soft, scores = (np.asarray(part, float) for part in jax.jit(jax.vmap(made.sample))(*noise))
    fullness, close = np.asarray(noise[0], float), 5.0 / np.sqrt(count)
    np.testing.assert_allclose(np.cov((bone + soft).T), np.eye(IDENTITIES), atol=1.5 * close)
    np.testing.assert_allclose(np.cov(soft.T), tissue(made), atol=close)
    np.testing.assert_allclose(np.cov(scores.T), score_covariance(made), atol=1.5 * close)
    np.testing.assert_allclose(bone.T @ scores / count, 0.0, atol=close)
    np.testing.assert_allclose(bone.T @ soft / count, 0.0, atol=close)
    np.testing.assert_allclose(scores.T @ fullness / count, made.seen @ made.fullness, atol=close)

"""People whose head is known: over all heads, the cohort's own law."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from data.cohort.anatomy import Person
from data.cohort.given_head import draw_person_of
from tests.cohort_made import train_generator
from tests.fresh_made import given

DRAWS = 6_000


def wide(array: object) -> np.ndarray:
    return np.asarray(array, np.float64)


def tissue() -> np.ndarray:
    """Q of the cohort's law."""
    law = train_generator().anatomy.law
    return wide(law.tissue_root) @ wide(law.tissue_root).T + np.outer(wide(law.fullness), wide(law.fullness))


@functools.cache
def people() -> Person:
    """Of heads from N(0, 1)."""
    of_heads, of_people = jax.random.split(jax.random.key(0))
    anatomy = train_generator().anatomy
    betas = jax.random.normal(of_heads, (DRAWS, anatomy.head_modes.shape[2]))
    draw = jax.jit(jax.vmap(lambda key, betas: draw_person_of(key, betas, jnp.zeros(()), anatomy, given())))
    return jax.tree.map(np.asarray, draw(jax.random.split(of_people, DRAWS), betas))


def test_the_constants_give_back_the_law() -> None:
    """Without drawing: β_tissue = Q β + noise and fullness = a β_tissue + noise have the law's covariances."""
    law, q = train_generator().anatomy.law, tissue()
    share, root = wide(given().tissue_share), wide(given().tissue_root)
    np.testing.assert_allclose(share @ share.T + root @ root.T, q, atol=1e-5)
    # Bone is what is left: uncorrelated with tissue.
    np.testing.assert_allclose(share - (share @ share.T + root @ root.T), 0.0, atol=1e-5)
    rest = np.eye(len(q)) - share
    bone = rest @ rest.T + root @ root.T
    np.testing.assert_allclose(bone, wide(law.bone_root) @ wide(law.bone_root).T, atol=1e-4)
    told, sd = wide(given().fullness), float(given().fullness_sd)
    np.testing.assert_allclose(q @ told, wide(law.fullness), atol=1e-3)
    np.testing.assert_allclose(told @ q @ told + sd**2, 1.0, atol=1e-3)
    assert 0.05 < sd < 0.99


def test_bone_and_tissue_are_the_head() -> None:
    drawn, anatomy = people(), train_generator().anatomy
    betas = jax.random.normal(jax.random.split(jax.random.key(0))[0], (DRAWS, anatomy.head_modes.shape[2]))
    np.testing.assert_allclose(drawn.bone_betas + drawn.tissue_betas, betas, atol=2e-6)
    assert (drawn.opening == 0.0).all()


def test_people_have_the_law_s_moments() -> None:
    drawn, law, q = people(), train_generator().anatomy.law, tissue()
    bone, soft, scores, fullness = map(wide, (drawn.bone_betas, drawn.tissue_betas, drawn.scores, drawn.fullness))
    close = 5.0 / np.sqrt(DRAWS)
    for part in (bone, soft, scores, fullness):
        np.testing.assert_allclose(part.mean(axis=0), 0.0, atol=close)
    np.testing.assert_allclose(soft.T @ soft / DRAWS, q, atol=close)
    np.testing.assert_allclose(bone.T @ bone / DRAWS, np.eye(len(q)) - q, atol=1.5 * close)
    np.testing.assert_allclose(bone.T @ soft / DRAWS, 0.0, atol=close)
    seen, rest = wide(law.seen), wide(law.rest_root)
    np.testing.assert_allclose(scores.T @ scores / DRAWS, seen @ q @ seen.T + rest @ rest.T, atol=1.5 * close)
    np.testing.assert_allclose(scores.T @ soft / DRAWS, seen @ q, atol=close)
    np.testing.assert_allclose(bone.T @ scores / DRAWS, 0.0, atol=close)
    np.testing.assert_allclose(soft.T @ fullness / DRAWS, wide(law.fullness), atol=close)
    np.testing.assert_allclose(bone.T @ fullness / DRAWS, 0.0, atol=close)
    np.testing.assert_allclose(scores.T @ fullness / DRAWS, seen @ wide(law.fullness), atol=close)
    np.testing.assert_allclose(fullness.var(), 1.0, atol=1.5 * close)
    # Which is a test only where the law is not trivial.
    assert np.abs(seen @ wide(law.fullness)).max() > 2.0 * close
    assert np.diag(q).max() > 0.3


def test_noise_is_drawn_anew_for_everything_else() -> None:
    drawn = people()
    for noise in (drawn.bone_noise, drawn.between_noise, drawn.slip_noise):
        np.testing.assert_allclose(wide(noise).std(), 1.0, atol=0.02)
    pairs = [drawn.bone_noise[:, :20], drawn.between_noise[:, :20], drawn.scores[:, :20], drawn.tissue_betas[:, :20]]
    for at, one in enumerate(pairs):
        for other in pairs[:at]:
            if one is drawn.tissue_betas or other is drawn.scores:
                continue
            # Of noise with anything.
            if other is pairs[0] or other is pairs[1]:
                assert np.abs(wide(one).T @ wide(other) / DRAWS).max() < 5.0 / np.sqrt(DRAWS)

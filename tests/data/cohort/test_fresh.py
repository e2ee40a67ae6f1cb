"""Fresh skulls for cached heads: one truth, in the frame that the aligner gives."""

from __future__ import annotations

import jax
import numpy as np

from data.cohort.pose_errors import PoseErrors
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from tests.cohort_made import SHIFT, train_generator
from tests.fresh_made import QUERIES, SKULL_POINTS, drawn, head_of, some_heads

SEEDS = range(4)


def face(seed: int, undamaged: float = 1.0) -> Mesh:
    """The sample's head where its skull lies."""
    sample, _ = drawn(seed, undamaged)
    return head_of(np.asarray(sample.betas), float(sample.opening)).transformed(
        np.asarray(sample.T_aligned_model, np.float64)
    )


def test_distances_belong_to_the_head_where_the_aligner_puts_it() -> None:
    for seed in SEEDS:
        sample, gradients = drawn(seed, 0.0 if seed % 2 else 1.0)
        there = DistanceScene(face(seed, 0.0 if seed % 2 else 1.0))
        assert sample.queries.shape == (QUERIES, 3)
        np.testing.assert_allclose(sample.distances, there.signed_distance(np.asarray(sample.queries)), atol=5e-3)
        on = np.asarray(sample.queries - sample.distances[:, None] * gradients)
        assert there.distance(on).max() < 0.1


def test_heads_are_those_of_the_cache() -> None:
    rows = set()
    for seed in SEEDS:
        sample, _ = drawn(seed)
        row = int(np.abs(some_heads().betas - sample.betas).max(axis=1).argmin())
        np.testing.assert_array_equal(some_heads().betas[row], sample.betas)
        assert some_heads().opening[row] == sample.opening
        back = transform_points(
            np.linalg.inv(np.asarray(sample.T_aligned_model, np.float64)), np.asarray(sample.queries)
        )
        gap = np.linalg.norm(some_heads().queries[row][:, None] - back[None], axis=2)
        assert gap.min(axis=0).max() < 1e-3
        assert len(set(gap.argmin(axis=0))) == QUERIES
        rows.add(row)
    assert len(rows) > 1


def test_undamaged_skulls_lie_within_their_heads() -> None:
    for seed in SEEDS:
        sample, _ = drawn(seed)
        assert sample.skull_points.shape == (SKULL_POINTS, 3)
        assert sample.skull_valid.all()
        np.testing.assert_allclose(np.linalg.norm(sample.skull_normals, axis=1), 1.0, atol=1e-3)
        depth = DistanceScene(face(seed)).signed_distance(np.asarray(sample.skull_points))
        # Bone is not pushed in here, where it looks out of the skin: teeth and the bridge of the nose.
        assert (depth < 0.0).mean() > 0.97
        assert depth.max() < 8.0
        # The skull reaches close under the skin.
        assert np.percentile(depth, 95) > -9.0


def test_the_aligner_moves_all_alike() -> None:
    """Against an aligner that makes no error."""
    exact = PoseErrors(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32))
    error = np.asarray(train_generator().pose_errors.draw(jax.random.key(0)), np.float64)
    np.testing.assert_allclose(error[:3, 3], SHIFT, atol=1e-6)
    (wrong, slanted), (right, straight) = drawn(0), drawn(0, pose_errors=exact)
    for name in ("skull_points", "queries"):
        np.testing.assert_allclose(
            getattr(wrong, name), transform_points(error, getattr(right, name)), atol=1e-3, err_msg=name
        )
    np.testing.assert_allclose(wrong.skull_normals, right.skull_normals @ error[:3, :3].T, atol=1e-4)
    np.testing.assert_allclose(slanted, straight @ error[:3, :3].T, atol=1e-4)
    np.testing.assert_allclose(wrong.T_aligned_model, error @ right.T_aligned_model, atol=1e-4)
    np.testing.assert_array_equal(wrong.distances, right.distances)


def test_the_same_key_gives_the_same_sample() -> None:
    for one, other in zip(jax.tree.leaves(drawn(0)), jax.tree.leaves(drawn(0)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(drawn(0)[0].skull_points - drawn(1)[0].skull_points).max() > 1.0


def test_damage_is_done_to_those_it_is_asked_for() -> None:
    """A damaged draw is the same person's with another skull: only what happened to the skull differs."""
    changed = 0
    for seed in SEEDS:
        whole, harmed = drawn(seed, 1.0)[0], drawn(seed, 0.0)[0]
        for name in ("betas", "fullness", "queries", "distances", "deviations", "T_aligned_model"):
            np.testing.assert_allclose(getattr(harmed, name), getattr(whole, name), atol=1e-5)
        assert np.isfinite(harmed.skull_points).all()
        changed += int(np.abs(harmed.skull_points - whole.skull_points).max() > 1.0)
    assert changed >= 2

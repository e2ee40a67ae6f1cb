"""Batches of faces: what the network meets belongs together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from fields.distance import DistanceScene
from fields.face_prior import FacePrior
from fields.latent import POSE, decoded
from fields.mesh import Mesh
from tests.face_training_made import BATCH, debug_batch, debug_experiment, debug_task, drawn
from train.face_batches import BONE_POINTS, FaceBatch
from train.face_task import FaceConstants


def prior() -> FacePrior:
    return debug_task().constants.prior


def head(batch: FaceBatch, row: int) -> Mesh:
    """Of a code in a batch."""
    return Mesh(np.asarray(prior().head(decoded(jnp.asarray(batch.codes[row]))), np.float64), np.asarray(prior().faces))


def test_codes_are_the_faces_that_distances_belong_to() -> None:
    """From a code, through the prior, to the head whose distances the batch has."""
    batch = debug_batch()
    assert batch.codes.shape == (BATCH, np.asarray(prior().modes).shape[2] + POSE)
    for row in range(BATCH):
        there = DistanceScene(head(batch, row))
        queries, distances = np.asarray(batch.queries[row]), np.asarray(batch.distances[row])
        np.testing.assert_allclose(distances, there.signed_distance(queries), atol=0.02)
        on = queries - distances[:, None] * np.asarray(batch.gradients[row])
        assert there.distance(on).max() < 0.1


def test_bone_lies_under_that_skin() -> None:
    whole: FaceBatch = debug_task().constants.validation
    assert whole.bone.shape[1:] == (BONE_POINTS, 3)
    depths = [DistanceScene(head(whole, row)).signed_distance(np.asarray(whole.bone[row])) for row in range(4)]
    assert (np.concatenate(depths) < 0.5).mean() > 0.97


def test_features_are_what_anchors_see_of_the_skull() -> None:
    batch = debug_batch()
    features = np.asarray(batch.features)
    assert np.isfinite(features).all()
    assert features[..., 0].min() >= 0.0
    assert features[..., 0].max() < 1.0
    assert features[:, :, 1, 0].mean() > 0.1
    assert np.abs(features[0] - features[1]).max() > 0.1


def test_fullness_is_told_of_the_share_that_is_asked_for() -> None:
    task = debug_task()
    told = np.isfinite(np.asarray(debug_batch().fullness))
    assert told.shape == (BATCH,)
    # Validation is told nothing.
    assert np.isnan(np.asarray(task.constants.validation.fullness)).all()
    full, bare = drawn(5, 1.0), drawn(5, 0.0)
    assert np.isfinite(full.fullness).all()
    assert np.isnan(bare.fullness).all()
    # Which changes nothing else, and tells the truth where it is told.
    np.testing.assert_allclose(full.codes, debug_batch().codes, atol=1e-5)
    np.testing.assert_allclose(np.asarray(full.fullness)[told], np.asarray(debug_batch().fullness)[told], atol=1e-5)


def test_a_batch_depends_on_its_key_alone() -> None:
    again, other = (drawn(seed, debug_task().data.fullness_known) for seed in (5, 6))
    for one, same in zip(jax.tree.leaves(debug_batch()), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, same)
    assert np.abs(np.asarray(other.codes) - np.asarray(again.codes)).max() > 0.1


def test_validation_s_first_half_is_undamaged() -> None:
    """The same people twice: whole, and with what happened to their skulls."""
    constants: FaceConstants = debug_task().constants
    seen = constants.validation
    half = debug_experiment().data.validation // 2
    assert len(seen.fullness) == 2 * half
    np.testing.assert_allclose(seen.codes[:half], seen.codes[half:], atol=1e-5)
    counts = np.asarray(seen.features)[:, :, 1, 0]
    # Whole skulls are seen as they were in the regressions, from all anchors; some others not.
    plenty = np.asarray(constants.prior.first.plenty)
    assert (counts[:half] > 0.2 * plenty).mean() > 0.85
    assert (counts[half:] < 0.2 * plenty).mean() > (counts[:half] < 0.2 * plenty).mean()
    # They are not trained on.
    train = np.asarray(constants.fresh.heads.betas)
    size = train.shape[1]
    gaps = np.abs(np.asarray(seen.codes)[:, None, :size] - train[None]).max(axis=2)
    assert gaps.min() > 0.1

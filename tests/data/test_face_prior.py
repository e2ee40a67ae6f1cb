"""Anchors on the prior's skull, and the constants of a field."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from data.face_prior import make_anchors
from fields.anchor_pooling import Anchors
from fields.distance import DistanceScene
from fields.latent import HeadPose
from tests.fields_made import tiny_prior
from tests.skulls_made import shipped_prior

COUNT = 256


@functools.cache
def anchors() -> Anchors:
    return make_anchors(shipped_prior(), COUNT)


def test_anchors_lie_on_the_skull_and_face_outward() -> None:
    points, normals = np.asarray(anchors().points, np.float64), np.asarray(anchors().normals, np.float64)
    assert points.shape == normals.shape == (COUNT, 3)
    skull = shipped_prior().skull
    scene = DistanceScene(skull)
    assert scene.distance(points).max() < 1e-2
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)
    there = skull.face_normals()[scene.closest(points).face_ids]
    # At an edge two triangles are as close.
    assert (np.einsum("ad,ad->a", normals, there) > 0.9).mean() > 0.9
    # Out of the bone, and for most also away from the skull's middle.
    middle = skull.vertices.mean(axis=0)
    assert (np.einsum("ad,ad->a", normals, points - middle) > 0.0).mean() > 0.8


def test_anchors_are_what_is_seen_from_outside() -> None:
    """From most, a ray along the normal meets no other bone; inner walls would meet the other side."""
    points, normals = np.asarray(anchors().points, np.float64), np.asarray(anchors().normals, np.float64)
    hits = DistanceScene(shipped_prior().skull).cast(points + 0.5 * normals, normals)
    assert (~hits.hit | (hits.distance > 120.0)).mean() > 0.7


def test_anchors_stand_closer_on_the_face() -> None:
    points = np.asarray(anchors().points, np.float64)
    landmarks = shipped_prior().landmark_points()
    front = points[:, 2] > 0.5 * (landmarks["po_l"][2] + landmarks["po_r"][2]) + 20.0
    face, rest = (cKDTree(points[part]).query(points[part], k=2)[0][:, 1] for part in (front, ~front))
    assert np.median(face) == pytest.approx(0.6 * np.median(rest), rel=0.15)
    assert 0.4 < front.mean() < 0.9
    # Each spread evenly.
    assert face.min() > 0.8 * np.median(face)
    assert rest.min() > 0.8 * np.median(rest)


def test_anchors_are_the_same_every_time() -> None:
    again = make_anchors(shipped_prior(), COUNT)
    np.testing.assert_array_equal(again.points, anchors().points)
    np.testing.assert_array_equal(again.normals, anchors().normals)
    # Fewer are the first of these.
    np.testing.assert_array_equal(make_anchors(shipped_prior(), 64).points, anchors().points[:64])


def test_the_field_s_head_is_the_prior_s() -> None:
    prior, own = tiny_prior(), shipped_prior().head
    betas = np.random.default_rng(0).normal(size=prior.modes.shape[2]).astype(np.float32)
    betas[own.shapedirs.shape[2] :] = 0.0
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = Rotation.from_rotvec([0.1, -0.2, 0.05]).as_matrix()
    transform[:3, 3] = [1.0, 2.0, -3.0]
    found = prior.head(HeadPose(betas, jnp.float32(0.0), transform))
    wanted = shipped_prior().head_mesh(betas[: own.shapedirs.shape[2]].astype(np.float64)).transformed(transform)
    np.testing.assert_allclose(found, wanted.vertices, atol=1e-3)
    opened = np.asarray(prior.head(HeadPose(np.zeros_like(betas), jnp.float32(0.5), np.eye(4, dtype=np.float32))))
    np.testing.assert_allclose(opened - prior.mean, 0.5 * np.asarray(prior.open_mouth), atol=1e-4)

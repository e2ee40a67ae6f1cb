"""Distances, closest points and rays."""

from __future__ import annotations

import numpy as np
import pytest

from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh
from tests.data_made import box, sphere

_RNG = np.random.default_rng(0)


def test_signed_distance_of_a_box_is_negative_inside() -> None:
    size = np.array([4.0, 6.0, 8.0])
    points = _RNG.uniform(-6, 6, (2000, 3))
    q = np.abs(points) - size / 2
    wanted = np.linalg.norm(np.maximum(q, 0.0), axis=1) + np.minimum(q.max(axis=1), 0.0)
    scene = DistanceScene(box((4.0, 6.0, 8.0), subdivisions=2))
    np.testing.assert_allclose(scene.signed_distance(points), wanted, atol=1e-5)
    np.testing.assert_allclose(scene.distance(points), np.abs(wanted), atol=1e-5)
    np.testing.assert_allclose(scene.signed_distance(points.reshape(20, 100, 3)).ravel(), wanted, atol=1e-5)
    assert scene.signed_distance(np.zeros(3)) == pytest.approx(-2.0)


def test_distance_to_an_open_surface_has_no_sign() -> None:
    square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]]))
    points = np.array([[0.5, 0.5, 2.0], [0.5, 0.5, -2.0], [2.0, 0.5, 0.0]])
    np.testing.assert_allclose(DistanceScene(square).distance(points), [2.0, 2.0, 1.0])


def test_closest_points_are_their_barycentric_coordinates() -> None:
    ball = sphere(10.0)
    points = _RNG.normal(size=(500, 3)) * 8.0
    scene = DistanceScene(ball)
    near = scene.closest(points)
    np.testing.assert_allclose(SurfacePoints.of(ball, near.face_ids, near.barycentric).points, near.points, atol=1e-4)
    np.testing.assert_allclose(near.barycentric.sum(axis=1), 1.0, atol=1e-6)
    assert near.barycentric.min() > -1e-5
    np.testing.assert_allclose(np.linalg.norm(near.points - points, axis=1), scene.distance(points), atol=1e-4)
    # The same places on a copy that has moved.
    np.testing.assert_allclose(near.on(Mesh(2.0 * ball.vertices, ball.faces)), 2.0 * near.points, atol=2e-4)


def test_rays_hit_and_miss() -> None:
    ball = sphere(10.0, subdivisions=4)
    directions = _RNG.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hits = DistanceScene(ball).cast(30.0 * directions, -directions)
    assert hits.hit.all()
    np.testing.assert_allclose(hits.distance, 20.0, atol=0.05)
    places = SurfacePoints.of(ball, hits.face_ids, hits.barycentric).points
    np.testing.assert_allclose(places, (30.0 - hits.distance[:, None]) * directions, atol=1e-4)
    missed = DistanceScene(ball).cast(30.0 * directions, directions)
    assert not missed.hit.any()
    assert np.isinf(missed.distance).all()
    assert (missed.face_ids == -1).all()


def test_a_ray_from_inside_hits_the_far_wall() -> None:
    hits = DistanceScene(box((2.0, 2.0, 2.0))).cast(np.array([[0.1, 0.2, 0.3]]), np.array([[1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(hits.distance, [0.9], atol=1e-6)


def test_nothing_asked_nothing_answered() -> None:
    scene = DistanceScene(sphere())
    assert scene.distance(np.zeros((0, 3))).shape == (0,)
    assert scene.signed_distance(np.zeros((0, 3))).shape == (0,)


def test_blocked_are_the_rays_that_hit() -> None:
    scene = DistanceScene(sphere(10.0))
    origins, directions = _RNG.normal(size=(2, 500, 3))
    origins *= 8.0
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    blocked = scene.blocked(origins, directions)
    assert 0.2 < blocked.mean() < 0.8
    np.testing.assert_array_equal(blocked, scene.cast(origins, directions).hit)

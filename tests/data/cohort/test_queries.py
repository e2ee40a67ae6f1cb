"""Where training asks for distances: mostly about the face, close to the skin, and some anywhere."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.queries import PLACES, QueryPlaces, draw_queries, query_places
from data.face_region import face_triangles
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.skulls_made import shipped_prior

COUNT = 20_000
ABOUT = 16_000
"""Of them about the surface, which come first; the others are anywhere."""


@functools.cache
def places() -> QueryPlaces:
    return query_places(shipped_prior())


@functools.cache
def is_face() -> np.ndarray:
    """Of the head's triangles."""
    return face_triangles(shipped_prior().head_mesh(), shipped_prior().landmark_points())


def drawn(seed: int = 0, count: int = COUNT, vertices: np.ndarray | None = None) -> np.ndarray:
    head = shipped_prior().head.v_template if vertices is None else vertices
    draw = jax.jit(draw_queries, static_argnums=3)
    return np.asarray(draw(jax.random.key(seed), places(), jnp.asarray(head), count), np.float64)


def triangle_of(corners: np.ndarray) -> np.ndarray:
    """Which of the head's triangles each place is on."""
    row = {tuple(face): number for number, face in enumerate(shipped_prior().head.faces.tolist())}
    return np.array([row[tuple(corner)] for corner in corners.tolist()])


def test_places_are_on_the_face_for_the_most_part_and_even_on_each_part() -> None:
    head = shipped_prior().head_mesh()
    chosen = triangle_of(np.asarray(places().corners))
    assert len(chosen) == PLACES
    # Five standard deviations of a binomial number.
    assert is_face()[chosen].mean() == pytest.approx(0.6, abs=5.0 * np.sqrt(0.24 / PLACES))
    areas = head.face_areas()
    assert areas[is_face()].sum() < 0.25 * areas.sum()
    points = np.einsum("pc,pcd->pd", places().weights, head.vertices[places().corners])
    centres = head.vertices[head.faces].mean(axis=1)
    for part in (is_face(), ~is_face()):
        middle = areas[part] @ centres[part] / areas[part].sum()
        scatter = np.sqrt(areas[part] @ (centres[part] - middle) ** 2 / areas[part].sum())
        own = points[part[chosen]]
        assert (np.abs(own.mean(axis=0) - middle) < 5.0 * scatter / np.sqrt(len(own))).all()


def test_places_are_even_over_a_triangle() -> None:
    weights = np.asarray(places().weights, np.float64)
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    # Moments of the even distribution over a triangle.
    np.testing.assert_allclose(weights.mean(axis=0), 1.0 / 3.0, atol=5e-3)
    np.testing.assert_allclose(weights.T @ weights / PLACES, (1.0 + np.eye(3)) / 12.0, atol=5e-3)


def test_places_and_queries_are_always_the_same() -> None:
    again = query_places(shipped_prior())
    for one, other in zip(jax.tree.leaves(places()), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(drawn(3, 500), drawn(3, 500))
    assert (drawn(3, 500) != drawn(4, 500)).any(axis=1).all()


def test_queries_lie_as_far_from_the_skin_as_said() -> None:
    about = drawn()[:ABOUT]
    distance = DistanceScene(shipped_prior().head_mesh()).signed_distance(about)
    for part, sd in ((distance[::2], 2.0), (distance[1::2], 10.0)):
        # Along the normal of a plane it would be normal with that deviation; skin is bent, so other skin is nearer.
        assert 0.75 * sd < np.sqrt((part**2).mean()) < 1.05 * sd
        assert np.median(np.abs(part)) == pytest.approx(0.6745 * sd, rel=0.2)
        # Both inside and outside.
        assert 0.35 < (part < 0.0).mean() < 0.65


def test_most_queries_are_about_the_face() -> None:
    near = drawn()[:ABOUT:2]
    nearest = DistanceScene(shipped_prior().head_mesh()).closest(near).face_ids
    assert is_face()[nearest].mean() == pytest.approx(0.6, abs=0.04)


def test_a_fifth_is_anywhere_in_a_box_around_the_head() -> None:
    anywhere, head = drawn()[ABOUT:], shipped_prior().head.v_template
    low, high = head.min(axis=0) - 30.0, head.max(axis=0) + 30.0
    share = (anywhere - low) / (high - low)
    assert share.min() > -1e-5
    assert share.max() < 1.0 + 1e-5
    for axis in range(3):
        counts = np.histogram(share[:, axis], bins=8, range=(0.0, 1.0))[0]
        mean = len(anywhere) / 8
        assert np.abs(counts - mean).max() < 5.0 * np.sqrt(mean)
    assert np.abs(np.corrcoef(share.T) - np.eye(3)).max() < 0.08


@pytest.mark.parametrize("count", [1, 7])
def test_any_number_can_be_asked_for(count: int) -> None:
    assert drawn(0, count).shape == (count, 3)
    assert np.isfinite(drawn(0, count)).all()


def test_queries_go_with_the_head_that_is_asked_about() -> None:
    head = shipped_prior().head.v_template
    shift = np.array([40.0, -5.0, 0.0], np.float32)
    moved = drawn(vertices=head + shift) - drawn()
    np.testing.assert_allclose(moved[:ABOUT], np.tile(shift, (ABOUT, 1)), atol=1e-3)
    assert not moved[ABOUT:].any()
    wide = Mesh(head.astype(np.float64) * [1.5, 1.0, 1.0], shipped_prior().head.faces)
    near = drawn(vertices=wide.vertices.astype(np.float32))[:ABOUT:2]
    assert np.sqrt((DistanceScene(wide).signed_distance(near) ** 2).mean()) < 2.1

"""Signs about an open face: a sphere cut by a plane, where the whole sphere tells the truth."""

from __future__ import annotations

import numpy as np
import pytest

from data.pairs.open_surface import REACH_MM, border_of, outward, trusted_distance
from fields.distance import DistanceScene
from tests.data_made import box, inside_out, sphere
from tests.pairs_made import FACE_RADIUS, SKULL_RADIUS, cut_sphere

SKULL = sphere(SKULL_RADIUS).vertices


def about(count: int = 5_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    way = rng.standard_normal((count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return way * (FACE_RADIUS + rng.normal(0.0, 10.0, (count, 1)))


def test_closed_surfaces_have_no_border():
    assert border_of(sphere()).empty
    assert border_of(box()).empty


def test_the_border_of_a_cut_sphere():
    face = cut_sphere()
    border = border_of(face)
    edges = face.faces[:, [1, 2, 2, 0, 0, 1]].reshape(-1, 3, 2)[border.edge]
    ends, count = np.unique(edges, return_counts=True)
    assert (count == 2).all()  # one ring
    np.testing.assert_array_equal(np.flatnonzero(border.vertex), ends)
    assert 36.0 < face.vertices[ends, 1].mean() < 40.0


@pytest.mark.parametrize("top", [70.0, 40.0, 0.0])
def test_trusted_distances_are_those_of_the_whole(top):
    face, whole = cut_sphere(top=top), DistanceScene(cut_sphere(top=np.inf))
    points = about()
    distance, trusted = trusted_distance(face, border_of(face), DistanceScene(face), points)
    # From inside, facets beside the cut can be a few micrometres farther than the missing ones.
    np.testing.assert_allclose(distance[trusted], whole.signed_distance(points)[trusted], atol=0.02)
    assert np.abs(distance[trusted]).max() <= REACH_MM
    # None where the sphere is missing, and hardly one left out where it is not.
    foot = points[:, 1] * FACE_RADIUS / np.linalg.norm(points, axis=1)
    assert foot[trusted].max() < top
    well_within = (foot < top - 15.0) & (np.abs(whole.signed_distance(points)) < REACH_MM)
    assert trusted[well_within].mean() > 0.99
    assert 0.3 < (distance[trusted] < 0.0).mean() < 0.7


def test_points_over_the_cut_are_not_trusted():
    face = cut_sphere(top=40.0)
    border = border_of(face)
    over = face.vertices[border.vertex] * [1.0, 0.0, 1.0] + [0.0, 45.0, 0.0]
    assert not trusted_distance(face, border, DistanceScene(face), over)[1].any()


@pytest.mark.parametrize("face", [cut_sphere(), cut_sphere(top=-20.0)], ids=["most", "less than half"])
def test_a_face_is_turned_around_the_skull(face):
    for wound in (face, inside_out(face)):
        turned = outward(wound, border_of(wound), SKULL)
        assert turned is not None
        middle = turned.vertices[turned.faces].mean(axis=1)
        assert (np.einsum("fd,fd->f", middle, turned.face_normals()) > 0.0).all()


@pytest.mark.parametrize("move", [(0.0, 0.0, 300.0), (0.0, 300.0, 0.0), (250.0, -20.0, 0.0)])
def test_a_face_elsewhere_is_around_nothing(move):
    face = cut_sphere()
    assert outward(face, border_of(face), SKULL + np.array(move)) is None

"""Texture coordinates of a made head: no folds, no overlaps, the face upright in the middle."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from data.unwrap import UV, unwrap
from fields.mesh import Mesh
from tests.data_made import joined, sphere


@functools.cache
def _head() -> Mesh:
    """A head-sized egg with a nose and a flat neck, closed."""
    ball = sphere(1.0, subdivisions=5)
    x, y, z = ball.vertices.T
    nose = 25.0 * np.exp(-((x / 0.15) ** 2 + (y / 0.2) ** 2)) * (z > 0)
    vertices = np.stack([75.0 * x, 130.0 * y, 95.0 * z + nose], axis=1)
    vertices[:, 1] = np.maximum(vertices[:, 1], -100.0)
    return Mesh(vertices, ball.faces)


@functools.cache
def _unwrapped() -> UV:
    return unwrap(_head())


def _signed_areas(uv: UV) -> np.ndarray:
    a, b, c = (uv.uv[uv.faces[:, corner]] for corner in range(3))
    one, other = b - a, c - a
    return 0.5 * (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def _at(point: tuple[float, float, float]) -> np.ndarray:
    """Coordinate of the vertex that is closest to a point."""
    vertex = np.argmin(np.linalg.norm(_head().vertices - point, axis=1))
    return _unwrapped().uv[_unwrapped().faces[_head().faces == vertex][0]]


def test_no_triangle_is_flipped() -> None:
    assert _unwrapped().faces.shape == _head().faces.shape
    assert (_signed_areas(_unwrapped()) > 0).all()


def test_charts_lie_in_the_square_and_nowhere_overlap() -> None:
    uv = _unwrapped()
    assert uv.uv.min() > 0
    assert uv.uv.max() < 1
    a, b, c = (uv.uv[uv.faces[:, corner]] for corner in range(3))
    covered = np.zeros(400, dtype=int)
    points = np.random.default_rng(0).random((400, 2))
    for index, point in enumerate(points):
        sides = [
            (q[:, 0] - p[:, 0]) * (point[1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (point[0] - p[:, 0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        covered[index] = np.logical_and.reduce([side > 0 for side in sides]).sum()
    assert covered.max() == 1
    assert covered.mean() > 0.8


def test_corners_of_a_vertex_agree_but_for_the_seams() -> None:
    uv, head = _unwrapped(), _head()
    pairs = np.unique(np.stack([uv.faces.ravel(), head.faces.ravel()], axis=1), axis=0)
    assert len(pairs) == len(uv.uv)  # a coordinate belongs to one vertex
    vertices, copies = np.unique(pairs[:, 1], return_counts=True)
    split = head.vertices[vertices[copies > 1]]
    on_rim = split[:, 1] < -90.0
    assert (np.abs(split[~on_rim, 0]) < 15.0).all()
    assert (split[~on_rim, 2] < 10.0).all()  # the seam is behind


def test_face_is_upright_in_the_middle() -> None:
    nose = _at((0.0, 0.0, 120.0))
    assert abs(nose[0] - 0.5) < 0.05
    assert abs(nose[1] - 0.5) < 0.2
    assert _at((0.0, 60.0, 85.0))[1] > nose[1] + 0.05
    assert _at((40.0, 0.0, 80.0))[0] > nose[0] + 0.05  # the subject's left is right in the picture
    assert _at((-40.0, 0.0, 80.0))[0] < nose[0] - 0.05


def test_face_has_its_share_of_the_texels() -> None:
    head = _head()
    front = (head.face_normals()[:, 2] > 0.3) & (head.vertices[head.faces].mean(axis=1)[:, 1] > -80.0)
    share = _signed_areas(_unwrapped())[front].sum()
    assert share > 0.7 * head.face_areas()[front].sum() / head.face_areas().sum()


@pytest.mark.parametrize(
    ("mesh", "why"),
    [
        (lambda: Mesh(_head().vertices, _head().faces[1:]), "closed"),
        (lambda: joined(sphere(50.0), sphere(10.0, centre=(200.0, 0.0, 0.0))), "closed"),
        (lambda: sphere(100.0, subdivisions=2), "flat cap"),
    ],
)
def test_other_meshes_are_refused(mesh: Callable[[], Mesh], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unwrap(mesh())

"""Triangles split along the zero of a value: exact areas, closed surfaces stay closed, and corners on zero."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from data.clipping import clipped, split_along_zero
from fields.mesh import Mesh

CORNER = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""A triangle of area one half."""


def box() -> Mesh:
    """From 0 to 1 along each axis."""
    made = trimesh.creation.box(extents=(1.0, 1.0, 1.0))
    return Mesh(np.asarray(made.vertices) + 0.5, np.asarray(made.faces, np.int32))


def ball() -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=3)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, np.int32))


def area(vertices: np.ndarray, faces: np.ndarray) -> float:
    return float(Mesh(vertices, faces).face_areas().sum())


def unpaired_edges(faces: np.ndarray) -> list[tuple[int, int]]:
    """Directed edges along which no neighbour runs the other way."""
    edges = {tuple(edge) for edge in faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()}
    return [(start, end) for start, end in edges if (end, start) not in edges]


@pytest.mark.parametrize(
    ("normal", "offset", "expected"),
    [
        # Four sides shortened and one lid.
        ([0.0, 0.0, 1.0], -0.3, 4 * 0.7 + 1.0),
        # A corner gone: three right triangles with legs of one half.
        ([1.0, 1.0, 1.0], -0.5, 6.0 - 3 * 0.125),
        # Only that corner left.
        ([-1.0, -1.0, -1.0], 0.5, 3 * 0.125),
        # Along two edges and through two sides' diagonals.
        ([1.0, -1.0, 0.0], 0.0, 3.0),
    ],
)
def test_a_box_cut_by_a_plane(normal, offset, expected):
    whole = box()
    values = whole.vertices @ np.array(normal) + offset
    faces, vertices = clipped(whole.faces, whole.vertices, values)
    assert area(vertices, faces) == pytest.approx(expected, abs=1e-12)
    assert (vertices[faces] @ np.array(normal) + offset).min() > -1e-12
    # It ends at the plane and nowhere else, and what is left faces outwards as before.
    ends = np.unique(unpaired_edges(faces))
    np.testing.assert_allclose(vertices[ends] @ np.array(normal) + offset, 0.0, atol=1e-12)
    left = Mesh(vertices, faces)
    large = left.face_areas() > 1e-9
    outward = left.face_normals()[large]
    assert (np.einsum("fd,fd->f", outward, vertices[faces[large]].mean(axis=1) - 0.5) > 0.4).all()


def test_a_closed_surface_stays_closed_and_where_it_was():
    whole = ball()
    values = np.random.default_rng(0).normal(size=len(whole.vertices))
    split = split_along_zero(whole.faces, values)
    after = Mesh(split.carried(whole.vertices), split.faces)
    assert not unpaired_edges(after.faces)
    assert len(after.vertices) == len(np.unique(after.faces))
    parts = np.bincount(split.sources, after.face_areas(), minlength=len(whole.faces))
    np.testing.assert_allclose(parts, whole.face_areas(), rtol=1e-9)
    np.testing.assert_allclose(after.face_normals(), whole.face_normals()[split.sources], atol=1e-6)
    # One side only, for each triangle.
    corners = split.carried(values[:, None])[after.faces, 0]
    assert ((corners >= -1e-12).all(axis=1) | (corners <= 1e-12).all(axis=1)).all()


def test_the_order_of_two_cuts_does_not_matter():
    whole = ball()
    first, second = whole.vertices[:, 0] + 0.2, 0.3 * whole.vertices[:, 0] - whole.vertices[:, 1] + 0.1
    carried = np.concatenate([whole.vertices, first[:, None], second[:, None]], axis=1)
    areas = []
    for columns in ((3, 4), (4, 3)):
        faces, values = whole.faces, carried
        for column in columns:
            faces, values = clipped(faces, values, values[:, column])
        np.testing.assert_allclose(values[:, 3], values[:, 0] + 0.2, atol=1e-12)
        areas.append(area(values[:, :3], faces))
    assert areas[0] == pytest.approx(areas[1], rel=1e-9)
    assert 0.2 < areas[0] / area(whole.vertices, whole.faces) < 0.6


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ((1.0, 2.0, 3.0), 1.0),
        ((-1.0, -2.0, -3.0), 0.0),
        ((1.0, -1.0, -3.0), 0.5 * 0.25),
        ((-1.0, 1.0, 3.0), 1.0 - 0.5 * 0.25),
        # Zero is not above: such corners are where it ends.
        ((0.0, 0.0, 0.0), 0.0),
        ((0.0, -1.0, -1.0), 0.0),
        ((0.0, 1.0, 1.0), 1.0),
        ((0.0, 0.0, 1.0), 1.0),
        ((0.0, 1.0, -1.0), 0.5),
        ((1.0, 0.0, -3.0), 0.25),
    ],
)
def test_one_triangle_whichever_corners_are_above(values, share):
    for turn in range(3):
        turned = np.roll(values, turn)
        faces, vertices = clipped(np.array([[0, 1, 2]], np.int32), CORNER, turned)
        assert area(vertices, faces) == pytest.approx(0.5 * share, abs=1e-12)
        assert np.isfinite(vertices).all()


def test_triangles_on_one_side_are_not_touched():
    whole = box()
    above = np.ones(len(whole.vertices))
    faces, vertices = clipped(whole.faces, whole.vertices, above)
    np.testing.assert_array_equal(faces, whole.faces)
    np.testing.assert_array_equal(vertices, whole.vertices)
    faces, vertices = clipped(whole.faces, whole.vertices, -above)
    assert faces.shape == (0, 3)
    np.testing.assert_array_equal(vertices, whole.vertices)

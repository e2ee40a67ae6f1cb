"""Connected parts of a mesh."""

from __future__ import annotations

import numpy as np

from fields.connected_parts import connected_parts
from fields.mesh import Mesh


def test_parts_are_those_that_triangles_join():
    # Two triangles with a common vertex, one alone, and a vertex that no triangle uses.
    faces = np.array([[6, 2, 4], [4, 1, 7], [0, 3, 8]], np.int32)
    mesh = Mesh(np.zeros((9, 3)), faces)
    np.testing.assert_array_equal(connected_parts(mesh), [0, 1, 1, 0, 1, 2, 1, 1, 0])


def test_without_triangles_every_vertex_is_alone():
    mesh = Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int32))
    np.testing.assert_array_equal(connected_parts(mesh), [0, 1, 2])

"""The line between the lips, on a head that opens along a known one and on a closed head."""

from __future__ import annotations

import numpy as np
import pytest

from data.landmark_rules import Relief
from data.lip_line import LipLine, membrane_path, parting_line, valley_line
from fields.distance import DistanceScene
from flame_jax.errors import InputError
from tests.jaw_made import MOUTH_MM, jaw_head
from tests.skulls_made import shipped_prior

LOW, HIGH = -70.0, -25.0


def test_where_an_opening_parts_the_lips():
    made = jaw_head()
    line, middle = parting_line(made.skin, made.skin_displacement, LOW, HIGH)
    inside = np.abs(line.points[:, 0]) < MOUTH_MM - 4.0
    # The slit is as wide as the triangles taken out: its middle may lie off the line by half of that.
    assert np.abs(line.points[inside, 1] - made.line.height(line.points[inside, 0])).max() < 2.0
    assert np.abs(np.abs(line.points[[0, -1], 0]) - MOUTH_MM).max() < 4.0
    assert (np.diff(line.points[:, 0]) > 0.0).all()
    below = made.skin_displacement[:, 1].min()
    np.testing.assert_allclose(middle[inside], 0.5 * below, atol=0.2 * abs(below))


def test_lips_that_stay_shut():
    made = jaw_head()
    with pytest.raises(InputError, match="parts no lips"):
        parting_line(made.skin, np.zeros_like(made.skin.vertices), LOW, HIGH)
    closed = shipped_prior().head_mesh()
    with pytest.raises(InputError, match="parts no lips"):
        parting_line(closed, 0.1 * closed.vertices, LOW, HIGH)


def test_height_and_corners():
    line = LipLine(np.array([[-2.0, 1.0, 0.0], [0.0, 3.0, 0.0], [2.0, 2.0, 0.0]]))
    np.testing.assert_allclose(line.height(np.array([-5.0, -1.0, 1.0, 5.0])), [1.0, 2.0, 2.5, 2.0])
    np.testing.assert_array_equal(line.between_corners(np.array([-5.0, -1.0, 1.0, 5.0])), [False, True, True, False])


@pytest.mark.parametrize("aside", [-2.0, 0.0, 2.0])
def test_the_deepest_line_is_found_from_beside_it(aside):
    head, line = shipped_prior().head_mesh(), jaw_head().line
    found = valley_line(head, LipLine(line.points + np.array([0.0, aside, 0.0])))
    inside = np.abs(found.points[:, 0]) < 18.0
    x, y, z = found.points[inside].T
    relief = Relief(DistanceScene(head))
    # Both lips stand out in front of it.
    assert (relief.front(x, y + 4.0) > z + 0.5).all()
    assert (relief.front(x, y - 4.0) > z + 0.5).all()
    np.testing.assert_allclose(y, line.height(x), atol=0.7)


def test_a_path_of_edges_from_corner_to_corner():
    head, line = shipped_prior().head_mesh(), jaw_head().line
    path = membrane_path(head, line)
    assert len(set(path.tolist())) == len(path)
    edges = np.sort(head.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    known = set(map(tuple, edges.tolist()))
    assert all((min(a, b), max(a, b)) in known for a, b in zip(path[:-1].tolist(), path[1:].tolist(), strict=True))
    ends = head.vertices[path[[0, -1]]]
    assert np.linalg.norm(ends - line.points[[0, -1]], axis=1).max() < 3.0
    assert np.abs(head.vertices[path, 1] - line.height(head.vertices[path, 0])).max() < 2.0

"""Area-weighted sampling."""

import numpy as np
import pytest

from fields.mesh import Mesh
from fields.sampling import sample_surface

SQUARES = Mesh(  # a unit square, and beside it one of nine times its area, at z = 0
    np.array(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [5, 0, 0], [5, 3, 0], [2, 3, 0]], dtype=np.float64
    ),
    np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]),
)


def test_points_fall_on_triangles_by_their_area():
    samples = sample_surface(SQUARES, 10_000, seed=0)
    counts = np.bincount(samples.face_ids, minlength=4)
    np.testing.assert_allclose(counts, [500, 500, 4500, 4500], atol=1)
    np.testing.assert_allclose(samples.barycentric.sum(axis=1), 1.0)
    assert (samples.barycentric >= 0.0).all()
    np.testing.assert_allclose(samples.on(SQUARES), samples.points)


def test_uniform_inside_a_triangle():
    triangle = Mesh(SQUARES.vertices, SQUARES.faces[:1])
    points = sample_surface(triangle, 40_000, seed=1).points
    np.testing.assert_allclose(points.mean(axis=0), [2 / 3, 1 / 3, 0.0], atol=5e-3)
    # The half of the triangle's height that is at its tip holds a quarter of the area.
    assert np.mean(points[:, 0] < 0.5) == pytest.approx(0.25, abs=0.01)


def test_mask_seed_and_degenerate_triangles():
    mask = np.array([True, True, False, False])
    samples = sample_surface(SQUARES, 100, seed=3, face_mask=mask)
    assert samples.points[:, 0].max() <= 1.0
    np.testing.assert_array_equal(samples.points, sample_surface(SQUARES, 100, seed=3, face_mask=mask).points)
    assert (samples.points != sample_surface(SQUARES, 100, seed=4, face_mask=mask).points).any()
    flat = Mesh(SQUARES.vertices, np.concatenate([[[1, 1, 2]], SQUARES.faces, [[0, 0, 1]]]))
    assert set(sample_surface(flat, 1000, seed=0).face_ids) <= {1, 2, 3, 4}


def test_nothing_to_sample():
    with pytest.raises(ValueError, match="no area"):
        sample_surface(SQUARES, 10, seed=0, face_mask=np.zeros(4, dtype=bool))
    with pytest.raises(ValueError, match="no area"):
        sample_surface(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 10, seed=0)

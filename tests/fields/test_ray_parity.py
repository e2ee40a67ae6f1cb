"""Inside or outside by counting crossings."""

from __future__ import annotations

import jax
import numpy as np

from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.ray_parity import inside
from fields.triangle_groups import GROUP, triangle_groups
from tests.data_made import box, inside_out, joined, sphere

_inside = jax.jit(inside)


def _asked(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    return np.asarray(_inside(triangle_groups(mesh), mesh.vertices, points))


def test_rays_through_edges_and_vertices_count_once() -> None:
    shape = box((4.0, 4.0, 4.0), subdivisions=2)
    # Every vertex has whole or half coordinates, and so have the queries: most of their rays run along or through edges
    # or through vertices, in the walls too.
    steps = np.arange(-3.0, 3.1, 0.5)
    points = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    off = np.abs(np.abs(points).max(axis=1) - 2.0) > 1e-6
    points = points[off]
    assert len(points) == 13**3 - (9**3 - 7**3)
    np.testing.assert_array_equal(_asked(shape, points), np.abs(points).max(axis=1) < 2.0)


def test_a_hollow_sphere() -> None:
    points = np.random.default_rng(0).uniform(-12, 12, (3000, 3))
    radius = np.linalg.norm(points, axis=1)
    clear = (np.abs(radius - 10.0) > 0.2) & (np.abs(radius - 5.0) > 0.2)
    points, radius = points[clear], radius[clear]
    shell = joined(sphere(10.0), inside_out(sphere(5.0)))
    np.testing.assert_array_equal(_asked(shell, points), (radius < 10.0) & (radius > 5.0))


def test_overlapping_sheets_count_as_in_open3d() -> None:
    ball, bulge = sphere(10.0, subdivisions=1), sphere(6.0, subdivisions=2, centre=(6.0, 1.0, 2.0))
    parts = ball, bulge, box((5.0, 5.0, 30.0))
    shape = joined(*parts)
    assert len(shape.faces) % GROUP
    points = np.random.default_rng(1).uniform(-12, 12, (3000, 3)).astype(np.float32)
    wanted = DistanceScene(shape).signed_distance(points)
    found = _asked(shape, points)
    np.testing.assert_array_equal(found, wanted < 0.0)
    # The test is of overlaps: the ray leaves both where two parts overlap, so that is outside; three are inside.
    count = np.sum([DistanceScene(part).signed_distance(points) < 0.0 for part in parts], axis=0)
    assert (count == 2).sum() > 100
    assert (count == 3).any()
    np.testing.assert_array_equal(found, count % 2 == 1)

"""The skin of an opening mouth, carried over from a made head that opens along a known line."""

from __future__ import annotations

import functools

import numpy as np

from data.jaw_skin import skin_displacement
from data.lip_line import membrane_path, parting_line, valley_line
from fields.distance import SurfacePoints
from fields.mesh import Mesh, transform_points
from tests.jaw_made import MOUTH_MM, jaw_head
from tests.skulls_made import shipped_prior


@functools.cache
def carried() -> np.ndarray:
    made = jaw_head()
    return skin_displacement(made.skin, made.skin_displacement, shipped_prior(), made.motion)


@functools.cache
def path() -> np.ndarray:
    made, marks = jaw_head(), shipped_prior().landmark_points()
    parting, _ = parting_line(made.skin, made.skin_displacement, marks["id"][1] - 10.0, marks["pr"][1] + 8.0)
    head = shipped_prior().head_mesh()
    return membrane_path(head, valley_line(head, parting))


def beside(reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the upper and of the lower lip, 3 mm to `reach` from the line."""
    head, line = shipped_prior().head_mesh().vertices, jaw_head().line
    above = head[:, 1] - line.height(head[:, 0])
    lips = (np.abs(head[:, 0]) < MOUTH_MM - 8.0) & (head[:, 2] > 80.0)
    return lips & (above > 3.0) & (above < reach), lips & (above < -3.0) & (above > -reach)


def test_lips_do_not_mix():
    upper, lower = beside(8.0)
    given = jaw_head().skin_displacement
    assert upper.sum() > 20
    assert lower.sum() > 20
    assert np.linalg.norm(carried()[upper], axis=1).max() < 2.0
    assert np.linalg.norm(carried()[lower] - given[lower], axis=1).mean() < 2.0
    assert carried()[lower, 1].max() < 0.7 * given[lower, 1].mean()


def test_nothing_moves_above_the_line():
    head, marks = shipped_prior().head_mesh().vertices, shipped_prior().landmark_points()
    moving = np.any(carried() != 0.0, axis=1)
    assert head[moving, 1].max() < 0.0
    nose = (np.abs(head[:, 0]) < abs(marks["ac_l"][0])) & (head[:, 1] > marks["mp"][1])
    ears = head[:, 2] < 10.0
    assert not moving[nose].any()
    # The edge of what moves is smoothed over a few vertices.
    assert not moving[ears & (head[:, 1] > marks["go_l"][1] + 15.0)].any()
    assert 1000 < moving.sum() < 0.4 * len(moving)


def test_the_chin_rides_on_the_bone():
    prior, made = shipped_prior(), jaw_head()
    head = prior.head_mesh()
    rows = [prior.control_names.index(key) for key in ("pg", "gn", "me")]
    skin = SurfacePoints.of(head, prior.tie_faces[rows], prior.tie_weights[rows])
    ridden = transform_points(np.asarray(made.motion.at(1.0), np.float64), skin.points)
    opened = skin.on(Mesh(head.vertices + carried(), head.faces))
    assert np.linalg.norm(opened - ridden, axis=1).max() < 3.0
    assert np.linalg.norm(opened - skin.points, axis=1).min() > 20.0


def test_between_the_lips_is_a_membrane_behind_them():
    head = shipped_prior().head_mesh().vertices + carried()
    upper, lower = beside(6.0)
    middle = path()[np.abs(shipped_prior().head_mesh().vertices[path(), 0]) < MOUTH_MM - 8.0]
    assert len(middle) > 5
    gap = head[upper, 1].min() - head[lower, 1].max()
    assert gap > 15.0
    assert head[middle, 1].max() < head[upper, 1].min()
    assert head[middle, 1].min() > head[lower, 1].max()
    chord = 0.5 * (head[upper, 2].mean() + head[lower, 2].mean())
    assert head[middle, 2].mean() < chord - 0.1 * gap

"""Points of a scan: spread evenly over what is left, with the normals of what they lie on, and chosen by the key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.cohort.cuts import NEVER_MM
from data.cohort.seen import SAMPLES, make_samples
from data.cohort.skeleton import Part
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.harm_made import POINTS, as_mesh, as_points, at_level, harmed, one, seen_values, shipped_samples, unharmed
from tests.skeleton_made import bone_faces, shipped_skeleton

NO_PLANE = [0.0, 1.0, 0.0, NEVER_MM]


def test_samples_are_even_by_area_from_the_first_on():
    skeleton: Any = shipped_skeleton()
    samples: Any = shipped_samples()
    mesh = Mesh(np.asarray(skeleton.rest, np.float64), skeleton.faces)
    part = skeleton.part[skeleton.faces][:, 0]
    by_part = np.bincount(part, mesh.face_areas(), minlength=len(Part))
    for count in (4_096, SAMPLES // 2, SAMPLES):
        rates = np.bincount(part[samples.face_ids[:count]], minlength=len(Part)) / count
        np.testing.assert_allclose(rates, by_part / by_part.sum(), atol=0.02)
    np.testing.assert_allclose(samples.barycentric.sum(axis=1), 1.0, atol=1e-6)
    assert samples.barycentric.min() >= 0.0


def test_samples_are_always_the_same():
    again = make_samples(shipped_skeleton())
    np.testing.assert_array_equal(again.face_ids, shipped_samples().face_ids)
    np.testing.assert_array_equal(again.barycentric, shipped_samples().barycentric)


def test_points_lie_on_the_whole_bone_with_its_normals():
    skeleton: Any = shipped_skeleton()
    seen = as_points(one(at_level(0.0), 0))
    assert seen.valid.all()
    bone = Mesh(np.asarray(skeleton.rest, np.float64), bone_faces(skeleton, parted=False, inner=True))
    closest = DistanceScene(bone).closest(seen.points.astype(np.float64))
    assert np.linalg.norm(closest.points - seen.points, axis=1).max() < 1e-3
    np.testing.assert_allclose(np.linalg.norm(seen.normals, axis=1), 1.0, atol=1e-4)
    # A point on an edge may be found on its neighbour.
    assert (np.einsum("pd,pd->p", bone.face_normals()[closest.face_ids], seen.normals) > 0.999).mean() > 0.99


@pytest.mark.parametrize("index", [1, 8])
def test_points_of_broken_skulls_have_the_normals_of_the_mesh(index):
    harm = one(at_level(1.0), index)
    mesh, seen = as_mesh(harm), as_points(harm)
    points, normals = seen.points[seen.valid].astype(np.float64), seen.normals[seen.valid]
    closest = DistanceScene(mesh).closest(points)
    assert (np.einsum("pd,pd->p", mesh.face_normals()[closest.face_ids], normals) > 0.99).mean() > 0.97


def test_the_key_chooses_and_choices_are_fair():
    harm = one(at_level(0.0), 0)
    first, again, other = (as_points(harm, seed=seed).points for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)

    def places(points: np.ndarray) -> set[bytes]:
        return {point.tobytes() for point in points}

    assert len(places(first)) == POINTS
    # Two choices share as many as chance gives.
    left = int(harmed(harm).face_kept[shipped_samples().face_ids].sum())
    assert len(places(first) & places(other)) / POINTS == pytest.approx(POINTS / left, rel=0.05)


def test_the_last_points_are_invalid_where_too_few_are_left():
    view = np.array([NO_PLANE, NO_PLANE, [0.0, 0.0, 1.0, -70.0]], np.float32)
    seen = as_points(unharmed(view_planes=view))
    count = int(seen.valid.sum())
    assert 1_000 < count < POINTS
    assert seen.valid[:count].all()
    assert seen.points[:count, 2].min() > 70.0 - 1e-3
    assert np.isfinite(seen.points).all()
    assert np.isfinite(seen.normals).all()


def test_a_ct_shows_all_and_a_laser_only_what_is_outside():
    skeleton: Any = shipped_skeleton()
    values = {}
    for laser in (False, True):
        harm = unharmed(outside_only=np.array(laser))
        values[laser] = seen_values(harm, harmed(harm))
    assert (values[False] > 0.0).all()
    assert (values[True] <= values[False]).all()
    inner, vault = skeleton.part == Part.INNER, (skeleton.part == Part.CRANIUM) & (skeleton.rest[:, 1] > 40.0)
    assert (values[True][vault] > 0.0).all()
    assert (values[True][inner] > 0.0).mean() < 0.1

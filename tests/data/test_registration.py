"""Registration from anywhere: whole and partial skulls in any pose, against the pose that is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.jaw import mandible_mask
from data.registration import FAR, Oriented, matched_distance, refine, refine_rigid, register, robust_cost
from data.warp import similarity
from fields.mesh import Mesh, submesh, transform_points
from tests.data_made import inside_out, joined, sphere
from tests.skulls_made import case, pose, shipped_prior, turn_degrees

SEED = 3
POSES = (0, 1, 2)


@pytest.fixture(scope="module")
def template() -> Oriented:
    return Oriented.exposed(shipped_prior().skull, 8000)


def found(template: Oriented, skull: Mesh, at: np.ndarray) -> np.ndarray:
    """The template's place in the skull's own frame, found where the skull was moved to."""
    target = Oriented.exposed(skull.transformed(at), 12_000)
    return np.linalg.inv(at) @ register(template, target).T_target_template


def truth() -> np.ndarray:
    """The best similarity from the template to the skull, whose vertices belong together."""
    return similarity(shipped_prior().skull.vertices, case(SEED).skull.vertices)


@pytest.fixture(scope="module")
def whole(template: Oriented) -> list[np.ndarray]:
    return [found(template, case(SEED).skull, pose(seed)) for seed in POSES]


def test_a_skull_is_found_in_any_pose(whole):
    for transform in whole:
        assert turn_degrees(np.linalg.inv(truth()) @ transform) < 6.0
        gap = transform_points(transform, shipped_prior().skull.vertices) - case(SEED).skull.vertices
        assert np.linalg.norm(gap, axis=1).mean() < 6.0


def test_turning_the_skull_turns_the_result(whole):
    vertices = shipped_prior().skull.vertices
    for transform in whole[1:]:
        moved = transform_points(transform, vertices) - transform_points(whole[0], vertices)
        assert np.abs(moved).max() < 1e-3


@pytest.mark.parametrize("part", ["no mandible", "no calvarium", "one half", "face only"])
def test_part_of_a_skull_is_found(template, part):
    made, prior = case(SEED), shipped_prior()
    jaw, points = mandible_mask(prior.skull, prior.landmark_points()), made.skull.vertices
    keep = {
        "no mandible": ~jaw,
        "no calvarium": points[:, 1] < 50,
        "one half": points[:, 0] > -2,
        "face only": (points[:, 1] < 50) & (points[:, 2] > 0) & ~jaw,
    }[part]
    transform = found(template, submesh(made.skull, keep), pose(len(part)))
    assert turn_degrees(np.linalg.inv(truth()) @ transform) < 6.0


def test_refining_a_good_start_stays_and_fits_better(template):
    target = Oriented.exposed(case(SEED).skull, 12_000)
    start = truth()
    start[:3, 3] += [4.0, -3.0, 2.0]
    better = refine(template, target, start)
    assert better.cost < robust_cost(template, target, start, 6.0)
    assert turn_degrees(np.linalg.inv(truth()) @ better.T_target_template) < 3.0
    assert better.scale == pytest.approx(np.cbrt(np.linalg.det(truth()[:3, :3])), abs=0.03)


def test_a_part_is_laid_on_its_place_without_scale(template):
    skull = shipped_prior().skull
    lower = skull.vertices[:, 1] < -20
    part = Oriented.sampled(submesh(skull, lower), 1500)
    away = np.eye(4)
    away[:3, :3] = Rotation.from_rotvec([0.08, -0.05, 0.03]).as_matrix()
    away[:3, 3] = [3.0, 2.0, -3.0]
    # The part's own points are among the target's.
    every = Oriented.sampled(skull, 30_000)
    transform = refine_rigid(part, every, away)
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1.0)
    assert np.linalg.norm(transform_points(transform, part.points) - part.points, axis=1).mean() < 0.5


def test_what_lies_inside_is_not_exposed():
    inner, outer = sphere(60.0), sphere(100.0, subdivisions=4)
    # A vault has an inner table that faces inwards, a sinus a wall that faces its middle.
    both = joined(outer, inside_out(sphere(95.0, subdivisions=4)), inner)
    seen = Oriented.exposed(both, 3000)
    assert 300 < len(seen.points) < 3000
    assert np.linalg.norm(seen.points, axis=1).min() > 98.0
    np.testing.assert_allclose(np.linalg.norm(seen.normals, axis=1), 1.0)


def test_a_turned_mesh_keeps_its_exposed_points():
    skull, at = case(SEED).skull, pose(7)
    here, there = Oriented.exposed(skull, 2000), Oriented.exposed(skull.transformed(at), 2000)
    np.testing.assert_allclose(there.points, here.moved(at).points, atol=1e-6)


def test_moved_points_keep_unit_normals():
    points, at = Oriented.sampled(sphere(), 100), pose(1, scale=0.5)
    moved = points.moved(at)
    np.testing.assert_allclose(np.linalg.norm(moved.normals, axis=1), 1.0)
    np.testing.assert_allclose(moved.points, transform_points(at, points.points))


def test_only_neighbours_that_face_the_same_way_match():
    onto = Oriented.sampled(sphere(), 40_000)
    outside, out = np.array([[0.0, 0.0, 103.0]]), np.array([[0.0, 0.0, 1.0]])
    distance, row = matched_distance(outside, out, onto)
    assert distance[0] == pytest.approx(3.0, abs=1.5)
    assert onto.points[row[0], 2] > 95.0
    assert matched_distance(outside, -out, onto)[0][0] == FAR
    assert matched_distance(1.5 * outside, out, onto, reach=20.0)[0][0] == FAR


def test_the_cost_is_0_on_the_target_and_1_far_away(template):
    away = np.eye(4)
    assert robust_cost(template, template, away, 6.0) == 0.0
    away[:3, 3] = 5000.0
    assert robust_cost(template, template, away, 6.0) == pytest.approx(1.0, abs=1e-3)

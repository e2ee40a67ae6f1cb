"""Alignment of sampled skulls, whose landmarks are known, and refusal of what is no skull."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.align import Alignment, align_skull
from data.jaw import mandible_mask
from data.landmarks import ALL_KEYS, MANDIBULAR, abbreviation_of
from fields.distance import DistanceScene
from fields.mesh import Mesh, submesh, transform_points
from flame_jax.errors import InputError
from tests.data_made import box, inside_out, sphere
from tests.skulls_made import alignment, case, shipped_prior, true_in_head_frame, turn_degrees

SEEDS = (0, 1)
DAMAGED = 2


def is_jaw() -> np.ndarray:
    prior = shipped_prior()
    return mandible_mask(prior.skull, prior.landmark_points())


@pytest.fixture(scope="module")
def damaged() -> Alignment:
    """A skull with its jaw open and its left zygomatic arch broken off."""
    made = case(DAMAGED)
    condyles = (made.landmarks["po_l"] + made.landmarks["po_r"]) / 2 + [0.0, -5.0, 14.0]
    turn = Rotation.from_rotvec([np.radians(15.0), 0.0, 0.0]).as_matrix()
    vertices = np.where(is_jaw()[:, None], (made.skull.vertices - condyles) @ turn.T + condyles, made.skull.vertices)
    arch = np.linalg.norm(vertices - made.landmarks["zy_l"], axis=1) < 18.0
    return align_skull(submesh(Mesh(vertices, made.skull.faces), ~arch), shipped_prior(), source="skull.ply")


@pytest.fixture(scope="module")
def jawless() -> Alignment:
    return align_skull(submesh(case(0).skull, ~is_jaw()), shipped_prior(), source="skull.ply")


@pytest.mark.parametrize("seed", SEEDS)
def test_landmarks_lie_where_they_are(seed):
    found, true = alignment(seed).landmarks, true_in_head_frame(seed).landmarks
    assert set(found) == set(ALL_KEYS)
    assert np.mean([np.linalg.norm(found[key] - true[key]) for key in found]) < 2.0
    assert alignment(seed).warnings == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_landmarks_lie_on_the_skull(seed):
    points = np.stack(list(alignment(seed).landmarks.values()))
    assert DistanceScene(true_in_head_frame(seed).skull).distance(points).max() < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_head_frame(seed):
    found = alignment(seed)
    transform = found.T_head_skull
    np.testing.assert_allclose(transform[:3, :3] @ transform[:3, :3].T, np.eye(3), atol=1e-9)
    np.testing.assert_array_equal(transform[3], [0, 0, 0, 1])
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1.0)
    # The prior's skulls are made in the head frame, so nothing has to turn or move far.
    assert turn_degrees(transform) < 6.0
    assert np.linalg.norm((found.landmarks["po_l"] + found.landmarks["po_r"]) / 2) < 8.0
    assert found.landmarks["zy_l"][0] > 50.0 > -50.0 > found.landmarks["zy_r"][0]
    assert found.landmarks["g"][2] > 70.0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bent_template_lies_on_the_bone(seed):
    found, true = alignment(seed), true_in_head_frame(seed)
    assert np.linalg.norm(found.bent_skull.vertices - true.skull.vertices, axis=1).mean() < 3.0
    assert found.face_misfit_mm < 1.0
    assert found.face_covered > 0.8
    assert DistanceScene(true.skull).distance(found.bone_points).max() <= 2.0 + 1e-3
    np.testing.assert_allclose(np.linalg.norm(found.bone_normals, axis=1), 1.0)
    assert 0.8 < found.scale < 1.25


def test_depth_directions_are_unit_and_near_the_prior_s():
    prior, found = shipped_prior(), alignment(0)
    assert list(found.directions) == list(found.controls) == list(prior.control_names)
    directions = np.stack(list(found.directions.values()))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    assert np.degrees(np.arccos(np.einsum("pd,pd->p", directions, prior.directions).clip(-1, 1))).mean() < 10.0


def test_a_skull_without_mandible_has_no_landmarks_there(jawless):
    assert not jawless.jaw.present
    missing = {key for key in ALL_KEYS if abbreviation_of(key) in MANDIBULAR}
    assert set(jawless.landmarks) == set(ALL_KEYS) - missing
    assert set(jawless.bent_landmarks) == set(ALL_KEYS)
    assert jawless.warnings == ("the mandible is missing: the lower face follows the head model",)


def test_a_skull_without_mandible_keeps_its_other_landmarks(jawless):
    true = {key: transform_points(jawless.T_head_skull, point) for key, point in case(0).landmarks.items()}
    upper = [key for key in jawless.landmarks if abbreviation_of(key) not in MANDIBULAR]
    assert np.mean([np.linalg.norm(jawless.landmarks[key] - true[key]) for key in upper]) < 2.0


def test_an_open_jaw_and_a_broken_arch_are_told(damaged):
    assert damaged.jaw.present
    opening = next(text for text in damaged.warnings if text.startswith("the jaw stands open by "))
    assert f"by {damaged.jaw.opening_mm:.0f} mm" in opening
    missing = next(text for text in damaged.warnings if text.startswith("no bone at "))
    assert "zy_l" in missing
    assert "zy_r" not in missing
    assert missing.endswith("these landmarks are not used")
    assert "zy_l" not in damaged.landmarks


def test_what_is_no_skull_is_refused():
    with pytest.raises(InputError, match=r"thing\.obj: does not look like a skull.*--force"):
        align_skull(sphere(), shipped_prior(), source="thing.obj")


def test_a_head_with_its_skin_on_is_no_skull():
    # Its brow and cheeks lie over a skull's well enough; what it lacks is orbits.
    with pytest.raises(InputError, match=r"head\.obj: does not look like a skull .*orbits.*--force"):
        align_skull(shipped_prior().head_mesh(), shipped_prior(), source="head.obj")


def test_what_is_no_skull_is_accepted_by_force():
    # That a box is refused without is tested with the command.
    found = align_skull(box(), shipped_prior(), source="thing.obj", force=True)
    assert np.isfinite(found.T_head_skull).all()
    assert set(found.bent_landmarks) == set(ALL_KEYS)
    numbers = [getattr(found, field.name) for field in dataclasses.fields(found) if field.type == "float"]
    assert np.isfinite(numbers).all()


def test_triangles_turned_inside_are_told():
    with pytest.raises(InputError, match=r"thing\.obj: has no outer surface.*turn its triangles"):
        align_skull(inside_out(sphere()), shipped_prior(), source="thing.obj")

"""Harm done to the skull: nothing without harm, the right bone moves, cuts have faces, scans are rough."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.cohort.cuts import NEVER_MM
from data.cohort.skeleton import Part, Skeleton
from data.jaw_opening import read_jaw_opening
from data.shipped import JAW_OPEN
from fields.distance import DistanceScene
from tests.harm_made import at_level, harmed, one, unharmed
from tests.skeleton_made import bone_faces, shipped_skeleton
from tests.skulls_made import shipped_prior

NO_PLANE = [0.0, 1.0, 0.0, NEVER_MM]
SAWN = np.array([[0.0, -1.0, 0.0, 55.0], NO_PLANE], np.float32)
"""Above the brow."""


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return shipped_skeleton()


def there(*parts: Part) -> np.ndarray:
    present = np.zeros(len(Part), bool)
    present[[Part.CRANIUM, Part.INNER, *parts]] = True
    return present


def sunk_jaw() -> np.ndarray:
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = Rotation.from_euler("xyz", [12.0, 3.0, -4.0], degrees=True).as_matrix()
    transform[:3, 3] = [2.0, -12.0, 5.0]
    return transform


def test_no_severity_leaves_the_skull_untouched(skeleton):
    for index in range(3):
        after = harmed(one(at_level(0.0), index))
        np.testing.assert_array_equal(after.vertices, skeleton.rest)
        assert (after.in_bone > 0.0).all()
        assert (after.in_scan > 0.0).all()
        assert (after.in_crack < 0.0).any(axis=2).all()
        kept = {tuple(face) for face in skeleton.faces[after.face_kept].tolist()}
        assert kept == {tuple(face) for face in bone_faces(skeleton, parted=False, inner=True).tolist()}


@pytest.mark.parametrize("left_over", [Part.VERTEBRAE, Part.TUBE, Part.STREAKS])
def test_only_what_is_present_is_kept(skeleton, left_over):
    part = skeleton.part[skeleton.faces]
    kept = harmed(unharmed(present=there(left_over))).face_kept
    assert not kept[(part == Part.MANDIBLE).any(axis=1)].any()
    assert kept[(part == left_over).all(axis=1)].all()
    assert not kept[(part > Part.INNER).any(axis=1) & (part != left_over).all(axis=1)].any()
    # Without its jaw the cranium is closed below.
    assert kept[skeleton.lid & (part == Part.CRANIUM).all(axis=1)].all()
    assert not kept[skeleton.bridge].any()


def test_a_displaced_jaw_moves_alone_and_takes_its_damage_along(skeleton):
    view = np.array([NO_PLANE, [0.0, 1.0, 0.0, 60.0], NO_PLANE], np.float32)
    harm = {"bone_planes": SAWN, "view_planes": view}
    before, after = (harmed(unharmed(T_displaced_jaw=T, **harm)) for T in (np.eye(4, dtype=np.float32), sunk_jaw()))
    jaw, expected = skeleton.part == Part.MANDIBLE, sunk_jaw().astype(np.float64)
    np.testing.assert_allclose(
        after.vertices[jaw], skeleton.rest[jaw] @ expected[:3, :3].T + expected[:3, 3], atol=1e-3
    )
    np.testing.assert_array_equal(after.vertices[~jaw], skeleton.rest[~jaw])
    # Bone was cut in life, the scan ends where it lies.
    np.testing.assert_array_equal(after.in_bone, before.in_bone)
    limit = np.minimum(after.vertices[:, 1] + 60.0, skeleton.thickness)
    np.testing.assert_allclose(after.in_scan, limit, atol=1e-3)
    assert after.face_kept[skeleton.lid].all()
    assert not after.face_kept[skeleton.bridge].any()


def test_a_jaw_open_in_life_is_not_displaced_too(skeleton):
    opened = np.asarray(read_jaw_opening(JAW_OPEN, shipped_prior()).mandible_transform(0.4), np.float32)
    after = harmed(unharmed(T_displaced_jaw=sunk_jaw()), opened)
    jaw = skeleton.part == Part.MANDIBLE
    np.testing.assert_allclose(after.vertices[jaw], skeleton.rest[jaw] @ opened[:3, :3].T + opened[:3, 3], atol=1e-3)
    assert after.face_kept[skeleton.lid].all()


def test_lost_teeth_leave_their_ridge_and_bare_ridges_sink(skeleton):
    lost = np.zeros(33, bool)
    lost[[8, 19, 20]] = True
    moved = harmed(unharmed(lost_teeth=lost)).vertices - skeleton.rest
    expected = np.where(np.isin(skeleton.tooth, [8, 19, 20])[:, None], skeleton.socket, 0.0)
    np.testing.assert_allclose(moved, expected, atol=1e-4)
    lost = np.arange(33) > 16
    moved = harmed(unharmed(lost_teeth=lost, resorption=np.array([0.0, 0.5], np.float32))).vertices - skeleton.rest
    lower = (skeleton.part == Part.MANDIBLE)[:, None]
    np.testing.assert_allclose(moved, np.where(lower, skeleton.socket + 0.5 * skeleton.resorbed, 0.0), atol=1e-4)


def test_bone_shows_its_thickness_where_it_is_sawn(skeleton):
    after = harmed(unharmed(bone_planes=SAWN))
    np.testing.assert_allclose(after.in_bone, 55.0 - skeleton.rest[:, 1], atol=1e-4)
    face = (after.in_bone < 0.0) & (after.in_bone + after.fold_depth > 0.0)
    assert face.sum() > 200
    # It lies in the saw's plane, and within what was bone: between outer and inner surface.
    np.testing.assert_allclose(after.folded[face, 1], 55.0, atol=0.01)
    solid = DistanceScene(shipped_prior().skull).signed_distance(after.folded[face].astype(np.float64))
    assert (solid < 0.1).mean() > 0.97
    part = skeleton.part[face]
    assert {Part.CRANIUM, Part.INNER} == set(part.tolist())
    # From both sides to the middle of the bone.
    depth = -solid[part == Part.CRANIUM]
    assert (depth < 0.5 * skeleton.thickness[face][part == Part.CRANIUM] + 0.7).mean() > 0.95
    assert depth.max() > 1.5


def test_noise_is_as_strong_as_drawn_and_goes_along_normals(skeleton):
    rough = harmed(unharmed(rough_noise=np.float32(0.2)))
    smooth = harmed(unharmed(smooth_noise=np.float32(0.3), noise_length=np.float32(10.0)))
    faces = bone_faces(skeleton, parted=False, inner=True)
    # What no triangle uses has no normal.
    used, edges = np.unique(faces), faces[:, :2]
    along = {}
    for name, after, strength in (("rough", rough, 0.2), ("smooth", smooth, 0.3)):
        moved = after.vertices - skeleton.rest
        height = np.einsum("vd,vd->v", moved, after.normals)
        np.testing.assert_allclose(moved[used], (height[:, None] * after.normals)[used], atol=1e-4)
        assert height[used].std() == pytest.approx(strength, rel=0.25 if name == "smooth" else 0.03)
        along[name] = np.corrcoef(height[edges].T)[0, 1]
    assert abs(along["rough"]) < 0.05
    assert along["smooth"] > 0.8


def test_noise_differs_from_skull_to_skull():
    keys = jax.random.split(jax.random.key(3), 2)
    first, second = (harmed(unharmed(rough_noise=np.float32(0.2), noise_key=key)).vertices for key in keys)
    assert np.abs(first - second).mean() > 0.05


def test_a_staircase_pulls_surfaces_to_the_boundaries_of_voxels(skeleton):
    turn = Rotation.from_euler("xyz", [10.0, 25.0, 40.0], degrees=True).as_matrix().astype(np.float32)
    voxel = np.array([0.8, 0.8, 2.0], np.float32)
    after = harmed(unharmed(terraces=np.float32(0.75), voxel=voxel, R_scanner_head=turn))
    moved = after.vertices - skeleton.rest
    assert np.linalg.norm(moved, axis=1).max() <= 0.5 * 0.75 * np.linalg.norm(voxel)
    for axis, size in zip(turn, voxel, strict=True):
        across = np.abs(after.normals @ axis) > 0.97
        assert across.sum() > 50
        gaps = [places[across] @ axis / size for places in (skeleton.rest, after.vertices)]
        before, now = (np.abs(gap - np.round(gap)).mean() for gap in gaps)
        # A quarter of the way is left.
        assert now / before == pytest.approx(0.25, abs=0.04)


def test_thin_bone_is_lost_where_it_is_thinner(skeleton):
    after = harmed(unharmed(thinnest=np.float32(1.5)))
    np.testing.assert_array_equal(after.in_scan > 0.0, skeleton.thickness > np.float32(1.5))
    assert 0.0 < (after.in_scan < 0.0).mean() < 0.05

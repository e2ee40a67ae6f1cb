"""Crowns on the template: found where teeth are, alike on both sides, also on other skulls; and lost cleanly."""

from __future__ import annotations

import numpy as np
import pytest

from data.cohort.arch import find_arch
from data.cohort.jaws import part_jaws
from data.cohort.skeleton import Part, Skeleton
from data.cohort.teeth import find_teeth
from fields.mesh import Mesh
from tests.skeleton_made import bone_faces, shipped_skeleton
from tests.skulls_made import case, shipped_prior

TEETH = (*range(2, 16), *range(17, 33))
"""All but the upper third molars, which the template lacks."""


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return shipped_skeleton()


def crown(skeleton: Skeleton, number: int) -> np.ndarray:
    return np.asarray(skeleton.rest[skeleton.tooth == number], dtype=np.float64)


def mirrored(number: int) -> int:
    return 17 - number if number <= 16 else 49 - number


def test_every_tooth_has_a_crown_of_its_own_jaw(skeleton):
    numbers, counts = np.unique(skeleton.tooth, return_counts=True)
    assert tuple(numbers[1:]) == TEETH
    assert counts[1:].min() > 25
    for number in TEETH:
        parts = np.unique(skeleton.part[skeleton.tooth == number])
        assert parts.tolist() == [Part.CRANIUM if number <= 16 else Part.MANDIBLE]


@pytest.mark.parametrize("number", [number for number in TEETH if mirrored(number) > number])
def test_left_and_right_are_alike(skeleton, number):
    one, other = crown(skeleton, number), crown(skeleton, mirrored(number))
    assert (np.sign(one[:, 0]) == np.sign(one[0, 0])).mean() > 0.9
    np.testing.assert_allclose(one.mean(axis=0) * [-1.0, 1.0, 1.0], other.mean(axis=0), atol=1.5)
    assert len(one) == pytest.approx(len(other), rel=0.25)


def test_teeth_follow_each_other_along_the_arch(skeleton):
    arch = find_arch(shipped_prior().skull, shipped_prior().landmark_points())
    for row in (range(2, 16), range(32, 16, -1)):
        arcs = [float(np.median(arch.place(crown(skeleton, number))[0])) for number in row]
        assert (np.diff(arcs) > 3.0).all()
    for grooves in (arch.upper.grooves, arch.lower.grooves):
        widths = np.diff(np.concatenate([np.zeros((1, grooves.shape[1])), grooves]), axis=0).mean(axis=1)
        # Mesiodistal widths of people: 5 mm (lower incisors) to 11 mm (first molars).
        assert widths.min() > 4.0
        assert widths.max() < 11.5
    assert (arch.upper.margin > arch.bite + 2.0).all()
    assert (arch.lower.margin < arch.bite - 1.0).all()


def test_crowns_lie_at_their_landmarks(skeleton):
    marks = shipped_prior().landmark_points()
    for number, key in ((11, "sC_l"), (6, "sC_r"), (22, "iC_l"), (27, "iC_r")):
        # The canine eminence is over its own crown, not over its neighbours'.
        across = np.abs(crown(skeleton, number).mean(axis=0) - marks[key])[[0, 2]]
        assert np.linalg.norm(across) < 5.0, key
    for number, key in ((8, "pr"), (9, "pr"), (24, "id"), (25, "id")):
        assert np.linalg.norm(crown(skeleton, number) - marks[key], axis=1).min() < 5.0, key


def test_the_cut_runs_between_the_rows(skeleton):
    # Crowns of the upper row end above those of the lower one that they meet.
    for upper, lower in ((3, 30), (14, 19), (8, 25), (12, 21)):
        assert crown(skeleton, upper)[:, 1].mean() > crown(skeleton, lower)[:, 1].mean() + 2.0


@pytest.mark.parametrize("seed", [0, 6])
def test_crowns_are_about_the_same_on_sampled_skulls(skeleton, seed):
    skull, marks = case(seed).skull, case(seed).landmarks
    arch = find_arch(skull, marks)
    own = len(skull.vertices)
    jaws = part_jaws(skull, marks, arch)
    tooth = find_teeth(jaws.vertices, jaws.mandible, arch).tooth[:own]
    before = np.asarray(skeleton.tooth[:own])
    either = (tooth > 0) | (before > 0)
    # A groove that moves by a millimetre takes the vertices of a sixth of a crown along.
    assert (tooth == before)[either].mean() > 0.6
    assert set(np.unique(tooth)) == {0, *TEETH}
    assert (jaws.mandible[:own] == (skeleton.part[:own] == Part.MANDIBLE)).mean() > 0.99


@pytest.mark.parametrize("number", [3, 8, 14, 19, 22, 30])
def test_a_lost_tooth_leaves_the_ridge_and_its_neighbours(skeleton, number):
    lost = skeleton.tooth == number
    arch = find_arch(shipped_prior().skull, shipped_prior().landmark_points())
    moved = np.asarray(skeleton.rest, dtype=np.float64) + np.where(lost[:, None], skeleton.socket, 0.0)
    arcs, depth, _ = arch.place(moved[lost])
    row, rootward = (arch.upper, 1.0) if number <= 16 else (arch.lower, -1.0)
    above = rootward * (moved[lost, 1] - arch.height(row.margin, arcs))
    assert above.min() > -1.5
    assert above.max() < 2.0
    assert depth.min() > arch.height(row.front, arcs).min() - 1.0
    # It was as high as a crown before.
    was = rootward * (skeleton.rest[lost, 1] - arch.height(row.margin, arcs))
    assert was.min() < -4.0


def test_only_crowns_have_sockets_and_jaws_are_independent(skeleton):
    assert not skeleton.socket[skeleton.tooth == 0].any()
    for part, rootward in ((Part.CRANIUM, 1.0), (Part.MANDIBLE, -1.0)):
        crowns = (skeleton.part == part) & (skeleton.tooth > 0)
        assert (rootward * skeleton.socket[crowns, 1] > -0.5).all()


def test_an_edentulous_ridge_is_lower_level_and_not_folded(skeleton):
    marks = shipped_prior().landmark_points()
    moved = np.asarray(skeleton.rest + skeleton.socket + skeleton.resorbed, dtype=np.float64)
    faces = bone_faces(skeleton, parted=True, inner=False)
    part = skeleton.part[faces]
    mandible = (part == Part.MANDIBLE).all(axis=1)
    for lower, own in ((True, faces[mandible]), (False, faces[~mandible])):
        touched = np.linalg.norm(skeleton.resorbed[own], axis=-1).max(axis=1) > 0.1
        no_crown = touched & (skeleton.tooth[own] == 0).all(axis=1)
        before, after = Mesh(np.asarray(skeleton.rest, np.float64), own), Mesh(moved, own)
        turned = np.einsum("fd,fd->f", before.face_normals(), after.face_normals()) < 0.0
        weight = before.face_areas()
        # Bone under the margin bends, and no more than a few triangles of it turn over.
        assert (weight * (turned & no_crown)).sum() < 0.01 * (weight * no_crown).sum()
        # The ridge's crest, from first molar to first molar, loses what is expected of it.
        teeth = range(19, 31) if lower else range(3, 15)
        crest = np.isin(skeleton.tooth, list(teeth))
        loss = np.median(skeleton.resorbed[crest, 1]) * (-1.0 if lower else 1.0)
        assert (6.0 < loss < 11.0) if lower else (2.0 < loss < 6.0)
    for key in ("ss", "ac_l", "ac_r", "or_l", "gn", "me", "go_l", "po_l", "zy_r"):
        own = skeleton.rest[: len(shipped_prior().skull.vertices)]
        nearest = np.argmin(np.linalg.norm(own - marks[key], axis=1))
        assert np.linalg.norm(skeleton.resorbed[nearest]) < 0.3, key

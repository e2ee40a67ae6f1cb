"""What is drawn: each kind as often as is said, as large as is said, and the same for the same key."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data.cohort.cuts import NEVER_MM
from data.cohort.harm import ALL_TRIANGLES, CHANCE, draw_harm, draw_opening
from data.cohort.severities import Severities
from data.cohort.skeleton import Part
from tests.harm_made import DRAWS, at_level, drawn, only, traces
from tests.skeleton_made import shipped_skeleton

KINDS = [field.name for field in dataclasses.fields(Severities) if field.name != "jaw_open"]


def numbers(harm: Any) -> list[np.ndarray]:
    """All leaves, keys as numbers."""
    leaves = [leaf for leaf in jax.tree.leaves(harm) if leaf is not harm.noise_key]
    return [np.asarray(leaf) for leaf in [jax.random.key_data(harm.noise_key), *leaves]]


def moved(transforms: np.ndarray) -> np.ndarray:
    return np.any(transforms != np.eye(4), axis=(1, 2))


def happened(harm: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each kind, whom it met and whom it could meet."""
    everyone, ct = np.ones(len(harm.outside_only), bool), ~harm.outside_only
    bare, jaw = harm.resorption > 0.0, harm.present[:, Part.MANDIBLE]
    return {
        "mandible_missing": (~jaw, everyone),
        "mandible_displaced": (moved(harm.T_displaced_jaw), jaw),
        "teeth_lost": (harm.lost_teeth.any(axis=1) & ~bare.any(axis=1), ~bare.any(axis=1)),
        "edentulous": (bare.any(axis=1), everyone),
        "calvarium_cut": (harm.bone_planes[:, 0, 3] < NEVER_MM, everyone),
        "view_cut": ((harm.view_planes[:, :, 3] < NEVER_MM).any(axis=1), ct),
        "half": (harm.bone_planes[:, 1, 3] < NEVER_MM, everyone),
        "holes": ((harm.holes.radii > 0.0).any(axis=1), everyone),
        "cracks": ((harm.cracks.half_length > 0.0).any(axis=1), everyone),
        "outside_only": (harm.outside_only, everyone),
        "vertebrae": (harm.present[:, Part.VERTEBRAE], ct),
        "tube": (harm.present[:, Part.TUBE], ct),
        "streaks": (harm.present[:, Part.STREAKS], ct & ~bare.all(axis=1)),
        "thin_bone": (harm.thinnest > 0.0, ct),
        "staircase": (harm.terraces > 0.0, ct),
        "noise": ((harm.rough_noise > 0.0) & (harm.smooth_noise > 0.0), everyone),
        "decimation": (harm.triangles < ALL_TRIANGLES, everyone),
        "pose": (moved(harm.T_scan_head), everyone),
    }


def chance(kind: str, level: float) -> float:
    expected = 1.0 - (1.0 - float(getattr(CHANCE, kind))) ** level
    if kind == "teeth_lost":
        # Where few are lost it may be none.
        rate = 0.05 + 0.65 * ((np.arange(1000) + 0.5) / 1000) ** (1.0 / level)
        expected *= 1.0 - float(np.mean(np.maximum(1.0 - 1.2 * rate, 0.0) ** 20 * (1.0 - 0.75 * rate) ** 12))
    return expected


@pytest.mark.parametrize("kind", KINDS)
def test_happens_as_often_as_is_said(kind):
    never, could = happened(at_level(0.0))[kind]
    assert not never.any()
    for level in (1.0, 3.0):
        met, could = happened(at_level(level))[kind]
        assert not (met & ~could).any(), "met whom it cannot meet"
        expected, count = chance(kind, level), int(could.sum())
        # Four standard deviations of a binomial number.
        assert abs(met[could].sum() - count * expected) <= 4.0 * (count * expected * (1.0 - expected)) ** 0.5, level
    assert kind == "pose" or chance(kind, 3.0) > chance(kind, 1.0) + 0.05


def test_jaws_are_open_as_often_and_as_wide_as_is_said():
    draw = jax.jit(jax.vmap(draw_opening, (0, None)))
    keys = jax.random.split(jax.random.key(4), DRAWS)
    weights = {level: np.asarray(draw(keys, Severities.all(level))) for level in (0.0, 1.0, 3.0)}
    assert not weights[0.0].any()
    for level, share in ((1.0, 0.5), (3.0, 0.75)):
        is_open, expected = weights[level] > 0.0, 1.0 - 0.8**level
        assert abs(is_open.mean() - expected) <= 4.0 * (expected * (1.0 - expected) / DRAWS) ** 0.5
        assert weights[level][is_open].min() >= 0.05
        assert weights[level].max() <= 0.6
        assert weights[level][is_open].mean() == pytest.approx(0.05 + 0.55 * share, abs=0.03)


def test_kinds_do_not_change_each_other():
    for kind in ("holes", "edentulous", "decimation"):
        met = {name for name, (who, _) in happened(only(kind)).items() if who.any()}
        assert met == {kind}


def test_the_same_key_gives_the_same_harm_wherever_it_stands():
    keys = jax.random.split(jax.random.key(0), DRAWS)
    backwards = drawn(keys[::-1], Severities.all(1.0))
    for one, other in zip(numbers(at_level(1.0)), numbers(backwards), strict=True):
        np.testing.assert_array_equal(one, other[::-1])
    assert len(np.unique(at_level(1.0).bone_planes[:, 1], axis=0)) > 50


def test_one_alone_is_the_same_as_among_many():
    key = jax.random.split(jax.random.key(0), DRAWS)[7]
    skeleton: Any = shipped_skeleton()
    alone = jax.jit(draw_harm)(key, Severities.all(1.0), skeleton, skeleton.rest)
    for one, many in zip(numbers(alone), numbers(at_level(1.0)), strict=True):
        np.testing.assert_allclose(one, many[7], rtol=1e-5, atol=1e-4)


def test_other_severities_do_not_compile_again():
    for level in (0.0, 1.0, 3.0):
        at_level(level)
    drawn(jax.random.split(jax.random.key(2), DRAWS), Severities.all(0.7).with_kinds({"holes": 12.5}), 1.1)
    assert len(traces) == 1


@pytest.mark.parametrize("level", [1.0, 3.0])
def test_sizes_stay_within_what_is_plausible(level):
    harm, met = at_level(level), {kind: who for kind, (who, _) in happened(at_level(level)).items()}
    radii, lengths = harm.holes.radii, 2.0 * harm.cracks.half_length
    limits = [
        (harm.resorption[harm.resorption > 0.0], 0.3, 1.0),
        (radii[radii > 0.0], 2.5, 20.0),
        (lengths[lengths > 0.0], 15.0, 90.0),
        (2.0 * harm.cracks.half_width, 0.5, 2.0),
        (harm.voxel[:, 0], 0.4, 1.0),
        (harm.voxel[:, 2], 0.4, 3.0),
        ((harm.thinnest / harm.voxel.mean(axis=1))[met["thin_bone"]], 0.3, 0.7),
        (harm.terraces[met["staircase"]], 0.1, 0.8),
        (harm.rough_noise, 0.0, 0.25),
        (harm.smooth_noise, 0.0, 0.35),
        (harm.noise_length, 5.0, 15.0),
        (harm.triangles[met["decimation"]], 5_000, 200_000),
        (np.abs(harm.T_scan_head[:, :3, 3]), 0.0, 300.0),
    ]
    for number, (values, least, worst) in enumerate(limits):
        assert least - 1e-3 <= values.min(), number
        assert values.max() <= worst * (1.0 + 1e-4), number
        # The whole range is used.
        assert np.ptp(values) > 0.7 * (worst - least), number
    # More is worse.
    assert harm.terraces[met["staircase"]].mean() == pytest.approx(0.1 + 0.7 * level / (level + 1.0), abs=0.03)


def test_holes_and_cracks_lie_on_bone_and_are_few():
    harm = at_level(1.0)
    skeleton: Any = shipped_skeleton()
    met = {kind: who for kind, (who, _) in happened(harm).items()}
    outer = skeleton.rest[skeleton.part <= Part.MANDIBLE]
    for kind, things, sizes in (
        ("holes", harm.holes, harm.holes.radii),
        ("cracks", harm.cracks, harm.cracks.half_length),
    ):
        count = (sizes > 0.0).sum(axis=1)[met[kind]]
        # One and the most, and all between, equally often.
        rates = np.bincount(count)[1:] / len(count)
        assert len(rates) == sizes.shape[1]
        assert np.abs(rates - 1.0 / len(rates)).max() < 0.08
        centres = things.centres[met[kind]][:20].reshape(-1, 3)
        assert np.abs(centres[:, None] - outer[None]).max(axis=2).min(axis=1).max() < 1e-4
    across, along = harm.cracks.across, harm.cracks.along
    np.testing.assert_allclose(np.linalg.norm(across, axis=2), 1.0, atol=1e-3)
    np.testing.assert_allclose((across * along).sum(axis=2), 0.0, atol=1e-4)


def test_planes_lie_where_a_saw_or_a_scan_would_end():
    harm = at_level(1.0)
    skeleton: Any = shipped_skeleton()
    met = {kind: who for kind, (who, _) in happened(harm).items()}
    saw, half = harm.bone_planes[met["calvarium_cut"], 0], harm.bone_planes[met["half"], 1]
    vault = skeleton.rest[skeleton.part == Part.CRANIUM, 1].max()
    chin = skeleton.rest[skeleton.part == Part.MANDIBLE, 1].min()

    def at_face(planes: np.ndarray) -> np.ndarray:
        """Height over the middle of the face's foremost plane."""
        return -(planes[:, 3] + 90.0 * planes[:, 2]) / planes[:, 1]

    assert (-saw[:, 1] > np.cos(np.radians(10.01))).all()
    assert ((at_face(saw) > 0.329 * vault) & (at_face(saw) < 0.651 * vault)).all()
    above, below, behind = (plane[plane[:, 3] < NEVER_MM] for plane in np.moveaxis(harm.view_planes, 1, 0))
    assert ((at_face(above) > 0.149 * vault) & (at_face(above) < 0.851 * vault)).all()
    assert ((at_face(below) > 0.951 * chin) & (at_face(below) < 0.499 * chin)).all()
    assert ((-behind[:, 3] / behind[:, 2] > -51.8) & (-behind[:, 3] / behind[:, 2] < 31.1)).all()
    for planes, towards in ((above, [0, -1, 0]), (below, [0, 1, 0]), (behind, [0, 0, 1])):
        assert (planes[:, :3] @ towards > np.cos(np.radians(15.01))).all()
    assert (np.abs(half[:, 0]) > np.cos(np.radians(15.01))).all()
    assert (np.abs(half[:, 3] / half[:, 0]) < 8.3).all()
    # Either side is left.
    assert 0.25 < (half[:, 0] > 0.0).mean() < 0.75


def test_heights_are_those_of_the_persons_own_skull():
    keys = jax.random.split(jax.random.key(0), DRAWS)
    larger, usual = drawn(keys, Severities.all(1.0), 1.1), at_level(1.0)
    saw, own = larger.bone_planes[:, 0], usual.bone_planes[:, 0]
    met = own[:, 3] < NEVER_MM
    np.testing.assert_allclose(saw[met, :3], own[met, :3], atol=1e-6)
    height, before = (-(plane[met, 3] + 90.0 * plane[met, 2]) / plane[met, 1] for plane in (saw, own))
    np.testing.assert_allclose(height, 1.1 * before, rtol=1e-4)


def test_front_teeth_go_first_and_bare_jaws_are_bare():
    harm = at_level(1.0)
    bare = harm.resorption > 0.0
    upper, lower = harm.lost_teeth[:, 1:17], harm.lost_teeth[:, 17:]
    assert upper[bare[:, 0]].all()
    assert lower[bare[:, 1]].all()
    kinds = [(bare == jaws).all(axis=1)[bare.any(axis=1)].mean() for jaws in ([1, 1], [1, 0], [0, 1])]
    np.testing.assert_allclose(kinds, [0.6, 0.3, 0.1], atol=0.12)
    some = harm.lost_teeth[~bare.any(axis=1)]
    assert not harm.lost_teeth[:, 0].any()
    single = some[:, [*range(4, 14), *range(20, 30)]].mean()
    assert single / some[:, [1, 2, 3, 14, 15, 16, 17, 18, 19, 30, 31, 32]].mean() == pytest.approx(1.6, abs=0.15)


def test_a_displaced_jaw_hangs_from_its_condyles():
    transforms = at_level(3.0).T_displaced_jaw[moved(at_level(3.0).T_displaced_jaw)].astype(np.float64)
    turns = transforms[:, :3, :3]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (len(turns), 1, 1)), atol=1e-5)
    hinge = np.asarray(shipped_skeleton().condyles, np.float64).mean(axis=0)
    shift = turns @ hinge + transforms[:, :3, 3] - hinge
    assert (np.abs(shift[:, 0]) < 8.01).all()
    assert ((shift[:, 1] < -1.99) & (shift[:, 1] > -20.01)).all()
    # The chin goes down and not up: it opens.
    chin = np.array([0.0, -90.0, 90.0])
    assert ((turns @ (chin - hinge) - (chin - hinge))[:, 1] < 2.0).mean() > 0.95

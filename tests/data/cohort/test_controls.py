"""What drives a skull: depths and rules hold exactly, and nothing else is changed for them."""

from __future__ import annotations

import numpy as np
import pytest

from data.cohort.controls import Controls, make_controls
from data.cohort.variants import TEST, TRAIN, VARIANTS, Variant
from data.landmarks import abbreviation_of
from data.skull_in_head import HAIR_CAP_MM, SCALP
from tests.controls_made import controls_of, mirrored, unhurt
from tests.skulls_made import shipped_prior

BOTH = pytest.mark.parametrize("name", list(VARIANTS))


def betas(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (shipped_prior().head.shapedirs.shape[2],))


def by_name(controls: Controls, values: np.ndarray) -> dict[str, float]:
    """Of the deviations."""
    return {name: float(value) for name, value in zip(controls.deviations, values, strict=True)}


@BOTH
def test_each_condition_moves_its_own_coordinate_and_no_other(name: str) -> None:
    controls = controls_of(name)
    moved = np.einsum("jcd,cdk->jk", controls.coordinate, controls.effect)
    np.testing.assert_allclose(moved, np.eye(len(controls.deviations)), atol=1e-9)


@BOTH
def test_what_is_left_open_touches_no_condition_and_nothing_else_is_lost(name: str) -> None:
    controls = controls_of(name)
    moves = np.random.default_rng(0).standard_normal((*controls.points.shape, 4))
    opened = controls.open(moves)
    np.testing.assert_allclose(np.einsum("jcd,cdk->jk", controls.coordinate, opened), 0.0, atol=1e-9)
    np.testing.assert_allclose(controls.open(opened), opened, atol=1e-9)
    # The least change that meets the conditions is at right angles to all that is open.
    np.testing.assert_allclose(np.einsum("cdk,cdj->kj", opened, controls.effect), 0.0, atol=1e-9)
    assert np.linalg.norm(opened) > 0.5 * np.linalg.norm(moves)


@BOTH
def test_depths_stay_in_any_head(name: str) -> None:
    """Bone moves along each depth's direction as the skin over it does."""
    controls, prior = controls_of(name), shipped_prior()
    bone = np.stack(list(unhurt(controls, betas()).values()))[: controls.depths] - controls.points[: controls.depths]
    skin = controls.ties.on(prior.head_mesh(betas())) - controls.ties.points
    apart = np.einsum("cd,cd->c", controls.directions, skin - bone)
    np.testing.assert_allclose(apart, 0.0, atol=1e-3)
    assert np.abs(skin).max() > 3.0


@BOTH
def test_free_bone_goes_with_the_skin_over_it(name: str) -> None:
    """Where no condition holds it; so a head that only stands elsewhere takes its skull along."""
    controls, prior = controls_of(name), shipped_prior()
    skin = controls.ties.on(prior.head_mesh(betas())) - controls.ties.points
    lead = dict(zip(controls.names, controls.follow @ betas(), strict=True))
    for row in range(controls.depths):
        if abbreviation_of(controls.names[row]) not in ("mso", "mio", "ec"):
            np.testing.assert_allclose(lead[controls.names[row]], skin[row], atol=1e-3)
    # An orbit is carried as a whole.
    for side in ("_l", "_r"):
        for point in ("d", "mso", "mio"):
            np.testing.assert_array_equal(lead[point + side], lead["ec" + side])


@BOTH
def test_directions_are_from_bone_to_skin_and_as_long_as_the_mean_says(name: str) -> None:
    controls = controls_of(name)
    np.testing.assert_allclose(np.linalg.norm(controls.directions, axis=1), 1.0, atol=1e-6)
    over = controls.points[: controls.depths]
    whole = (controls.mean + controls.offset)[: controls.depths]
    # To what the prior's file rounds.
    np.testing.assert_allclose(over + whole[:, None] * controls.directions, controls.ties.points, atol=0.05)
    assert not (controls.mean + controls.offset)[controls.depths :].any()


@pytest.mark.parametrize("variant", [TRAIN, TEST], ids=["train", "test"])
def test_depths_are_the_tables(variant: Variant) -> None:
    controls, table = controls_of(variant.name), variant.tissue(shipped_prior().tissue)
    mean, sd, loading = (by_name(controls, field) for field in (controls.mean, controls.sd, controls.loading))
    for name in controls.names[: controls.depths]:
        kind = abbreviation_of(name)
        if kind not in table.mean:
            continue
        hair = kind in SCALP
        assert mean[name] == pytest.approx(table.mean[kind] + (HAIR_CAP_MM if hair else 0.0))
        known = variant.kappa * table.sd[kind]
        more = sd[name] ** 2 - known**2
        # Hair is no less of a nuisance than a millimetre.
        assert more > variant.own_depth_mm**2 + 1.0 if hair else more == pytest.approx(variant.own_depth_mm**2)
        # Fullness moves the tissue, not what else a depth varies by.
        assert loading[name] * sd[name] == pytest.approx(variant.loading[kind] * known)
    assert np.abs(controls.offset[: controls.depths]).max() < 4.0


@BOTH
def test_the_rest_correlates_over_the_surface_and_between_the_sides(name: str) -> None:
    controls, variant = controls_of(name), VARIANTS[name]
    rest = controls.rest_correlation
    np.testing.assert_allclose(np.diag(rest), 1.0)
    assert np.linalg.eigvalsh(rest).min() > 0.0
    at = {deviation: row for row, deviation in enumerate(controls.deviations)}
    for left in controls.deviations:
        if left.endswith("_l") and mirrored(left) in at:
            both = rest[at[left], at[mirrored(left)]]
            assert variant.left_right - 0.1 < both < 1.0, left
    assert rest[at["zy_l"], at["mio_l"]] > rest[at["zy_l"], at["go_l"]] > rest[at["zy_l"], at["op"]] > 0.0
    # Rules are about other things than depths.
    assert not rest[: controls.depths, controls.depths :].any()
    assert rest[at["eye height_l"], at["eye lateral_l"]] == 0.0


@BOTH
def test_left_and_right_are_alike(name: str) -> None:
    controls = controls_of(name)
    points = dict(zip(controls.names, controls.points, strict=True))
    directions = dict(zip(controls.names, controls.directions, strict=False))
    named = [one for one in points if not one.startswith("cover")]
    assert {mirrored(one) for one in named} == set(named)
    for one in named:
        np.testing.assert_allclose(points[one] * [-1.0, 1.0, 1.0], points[mirrored(one)], atol=1.5, err_msg=one)
        if one in directions:
            assert directions[one] * [-1.0, 1.0, 1.0] @ directions[mirrored(one)] > 0.9, one


def test_what_a_variant_leaves_out_does_not_drive() -> None:
    for field in (controls_of("test").names, controls_of("test").deviations):
        assert {abbreviation_of(name) for name in field}.isdisjoint(TEST.left_out)
    assert {abbreviation_of(name) for name in controls_of("train").names}.issuperset(TEST.left_out)


def test_leaving_out_takes_a_depth_away_and_leaves_the_others() -> None:
    whole, without = controls_of("train"), make_controls(shipped_prior(), TRAIN, without=("zy_l", "zy_r"))
    assert set(whole.names) - set(without.names) == {"zy_l", "zy_r"}
    assert set(whole.deviations) - set(without.deviations) == {"zy_l", "zy_r"}
    assert set(without.names) <= set(whole.names)
    left = [row for row, name in enumerate(whole.names) if name in without.names]
    np.testing.assert_array_equal(whole.points[left], without.points)


@pytest.mark.parametrize(
    ("variant", "without", "lost", "kept"),
    [
        (TRAIN, ("n",), {"pronasale forward", "pronasale down"}, "base of the nose"),
        (TRAIN, ("ss",), {"pronasale forward"}, "pronasale down"),
        (TRAIN, ("pr",), {"pronasale forward", "pronasale down"}, "line of the mouth"),
        (TEST, ("sC_l", "sC_r"), {"canines_l", "canines_r"}, "aperture_l"),
        (TRAIN, ("ac_l", "ac_r"), {"height of the wing_l", "back of the wing_r"}, "aperture_l"),
    ],
    ids=["n", "ss", "pr", "sC", "ac"],
)
def test_a_rule_goes_with_the_points_that_it_needs(
    variant: Variant, without: tuple[str, ...], lost: set[str], kept: str
) -> None:
    whole, left = controls_of(variant.name), make_controls(shipped_prior(), variant, without=without)
    assert lost | set(without) <= set(whole.deviations) - set(left.deviations)
    assert kept in left.deviations
    assert np.isfinite(left.follow).all()
    moved = np.einsum("jcd,cdk->jk", left.coordinate, left.effect)
    np.testing.assert_allclose(moved, np.eye(len(left.deviations)), atol=1e-9)

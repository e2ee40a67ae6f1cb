"""Orbits, nose and mouth where the literature's rules have them, and the rules linear about there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data.cohort.placement_rules import Rule, bone_points, placement_rules, skin_points
from data.prior import AnatomyPrior
from fields.distance import SurfacePoints
from flame_jax.errors import InputError
from tests.controls_made import controls_of, mirrored, unhurt
from tests.data_made import box, joined
from tests.skulls_made import shipped_prior

SIDES = ("_l", "_r")
Points = dict[str, np.ndarray]


def bone() -> Points:
    """On the mean skull: landmarks and points by rule."""
    return shipped_prior().landmark_points() | bone_points(shipped_prior())


def skin(betas: np.ndarray | None = None) -> Points:
    """On a head, the mean one without coefficients."""
    head = shipped_prior().head_mesh(betas)
    return {name: point.on(head)[0] for name, point in skin_points(shipped_prior()).items()}


def rules() -> dict[str, Rule]:
    controls = controls_of("train")
    found = placement_rules(shipped_prior(), dict(zip(controls.names, controls.points, strict=True)))
    return {rule.name: rule for rule in found}


def beyond_rynn(bone: Points, skin: Points) -> np.ndarray:
    """By how much pronasale lies farther forward and farther down than Rynn's formulae say, in the sagittal plane."""
    down = (bone["pr"] - bone["n"])[1:]
    down = down / np.linalg.norm(down)
    tip = (skin["prn"] - bone["n"])[1:]
    length_y = np.linalg.norm(bone["rhi"] - bone["ss"])
    length_x = np.linalg.norm(bone["n"] - bone["aca"])
    forward = np.array([down[1], -down[0]])
    return np.array([forward @ tip - (0.83 * length_y - 3.5), down @ tip - (0.9 * length_x - 2.0)])


def between(points: Points, name: str) -> float:
    """Distance of a pair across the face."""
    return float(points[name + "_l"][0] - points[name + "_r"][0])


def eye(bone: Points, skin: Points) -> np.ndarray:
    """Of both sides: the eye seen from the middle of its orbit's rim."""
    rim = [np.mean([bone[name + side] for name in ("mso", "mio", "d", "ec")], axis=0) for side in SIDES]
    return np.stack([skin["oa" + side] - middle for side, middle in zip(SIDES, rim, strict=True)])


def test_orbits_and_aperture_are_as_wide_as_peoples_and_alike_on_both_sides() -> None:
    points = bone()
    for side in SIDES:
        assert 35.0 < np.linalg.norm(points["ec" + side] - points["d" + side]) < 48.0
        assert 35.0 < abs(points["ec" + side][0] - points["d" + side][0]) < 45.0
        assert points["d" + side][2] > points["ec" + side][2] + 8.0
    assert 15.0 < between(points, "d") < 28.0
    assert 20.0 < between(points, "al") < 30.0
    for name in ("d", "ec", "al"):
        np.testing.assert_allclose(points[name + "_l"] * [-1.0, 1.0, 1.0], points[name + "_r"], atol=1.5)
    # The spine stands out at the aperture's lower end.
    assert points["aca"][2] > points["ss"][2] + 1.0
    assert points["ss"][1] < points["aca"][1] < points["rhi"][1]


def test_points_of_bone_lie_on_it_and_points_of_skin_on_the_head() -> None:
    prior = shipped_prior()
    for name, point in bone_points(prior).items():
        assert np.linalg.norm(prior.skull.vertices - point, axis=1).min() < 4.0, name
    found = skin(None)
    for name, point in found.items():
        mirror = found[mirrored(name)]
        np.testing.assert_allclose(point[:2] * [-1.0, 1.0], mirror[:2], atol=1.0, err_msg=name)
    assert found["prn"][2] == pytest.approx(prior.head.v_template[:, 2].max(), abs=1.0)
    assert found["prn"][1] > found["sn"][1] > found["sto"][1]
    assert 28.0 < between(found, "al") < 42.0
    assert 45.0 < between(found, "ch") < 60.0


@pytest.mark.parametrize("side", SIDES)
def test_the_eye_lies_in_the_orbit_as_the_rule_says(side: str) -> None:
    points, front = bone(), skin()["oa" + side]
    height = points["mso" + side][1] - points["mio" + side][1]
    breadth = abs(points["ec" + side][0] - points["d" + side][0])
    assert points["mso" + side][1] - front[1] == pytest.approx(0.441 * height, abs=0.1)
    assert abs(front[0] - points["d" + side][0]) == pytest.approx(0.576 * breadth, abs=0.1)
    # How far it stands out is the head model's: within the rule's own error.
    assert front[2] - points["ec" + side][2] == pytest.approx(0.513 * height, abs=2.4)


def test_the_mean_nose_is_one_that_the_formulae_expect() -> None:
    forward, down = beyond_rynn(bone(), skin())
    assert abs(forward) < 2.0
    assert abs(down) < 1.5


def test_the_nose_rules_are_the_formulae_made_linear() -> None:
    rng, found = np.random.default_rng(0), rules()
    controls = controls_of("train")
    before = dict(zip(controls.names, controls.points, strict=True))
    tip = {"prn": skin_points(shipped_prior())["prn"].points[0]}
    share = {"pronasale forward": 0.83, "pronasale down": 0.9}
    start = beyond_rynn(before, tip)
    for _ in range(20):
        moved = {name: 1e-4 * rng.standard_normal(3) for name in ("n", "pr", "rhi", "ss", "aca", "prn")}
        after = {name: point + moved.get(name, 0.0) for name, point in before.items()}
        change = beyond_rynn(after, {"prn": tip["prn"] + moved["prn"]}) - start
        for (name, slope), departs in zip(share.items(), change, strict=True):
            rule = found[name]
            skin_moves, bone_moves = (
                sum(float(weight @ moved[point]) for point, weight in side.items()) for side in (rule.skin, rule.bone)
            )
            assert slope * (skin_moves - bone_moves) == pytest.approx(departs, abs=2e-8)


@pytest.mark.parametrize("seed", range(3))
def test_skulls_without_residuals_keep_to_the_rules(seed: int) -> None:
    """Of small changes of the head, measured on the points themselves."""
    betas = np.random.default_rng(seed).normal(0.0, 0.3, (shipped_prior().head.shapedirs.shape[2],))
    controls = controls_of("train")
    before, after = dict(zip(controls.names, controls.points, strict=True)), unhurt(controls, betas)
    was, now = skin(), skin(betas)
    np.testing.assert_allclose(eye(after, now), eye(before, was), atol=1e-3)
    canines = [np.mean([between(points, name) for name in ("sC", "iC")]) for points in (before, after)]
    assert canines[1] - canines[0] == pytest.approx(0.758 * (between(now, "ch") - between(was, "ch")), abs=1e-3)
    aperture = between(after, "al") - between(before, "al")
    assert aperture == pytest.approx(0.6 * (between(now, "al") - between(was, "al")), abs=1e-3)
    # The formulae are not linear: what they leave is small against a residual.
    np.testing.assert_allclose(beyond_rynn(after, now), beyond_rynn(before, was), atol=0.1)
    assert abs(now["prn"] - was["prn"]).max() > 0.3


def test_residuals_are_as_large_as_published() -> None:
    sd = {name: rule.sd for name, rule in rules().items()}
    for side in SIDES:
        assert sd["eye height" + side] == 1.6
        assert sd["eye protrusion" + side] == 2.4
        # Both sides alike change the distance of the canines by 75.8 % of what mouths scatter.
        assert 2.0 * sd["canines" + side] == pytest.approx(0.758 * 3.0)
    # In millimetres of the nose's tip.
    assert 0.83 * sd["pronasale forward"] == pytest.approx(2.0)
    assert 0.9 * sd["pronasale down"] == pytest.approx(1.5)
    assert min(sd.values()) > 0.0


def test_residuals_of_both_sides_are_symmetric() -> None:
    found = rules()
    for name, rule in found.items():
        for weights, others in ((rule.bone, found[mirrored(name)].bone), (rule.skin, found[mirrored(name)].skin)):
            for point, weight in weights.items():
                np.testing.assert_allclose(weight * [-1.0, 1.0, 1.0], others[mirrored(point)], atol=1e-3)


def behind_a_plate(size: tuple[float, float, float], centre: tuple[float, float, float]) -> AnatomyPrior:
    """The prior with a plate before its skull, which keeps its landmarks."""
    prior, plate = shipped_prior(), box(size, subdivisions=0)
    lid = dataclasses.replace(plate, vertices=plate.vertices + np.array(centre))
    skull = joined(prior.skull, lid)
    landmarks = SurfacePoints.of(skull, prior.landmarks.face_ids, prior.landmarks.barycentric)
    return dataclasses.replace(prior, skull=skull, landmarks=landmarks)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (behind_a_plate((120.0, 30.0, 1.0), (0.0, 19.0, 92.0)), "its skull has no orbit"),
        (behind_a_plate((30.0, 12.0, 1.0), (0.0, -9.0, 97.0)), "its skull has no nasal aperture"),
    ],
    ids=["orbit", "aperture"],
)
def test_a_skull_without_hollows_is_refused(prior: AnatomyPrior, message: str) -> None:
    with pytest.raises(InputError, match=f"anatomy prior: {message}.*s2f build-prior$") as raised:
        bone_points(prior)
    assert "\n" not in str(raised.value)


def test_a_head_without_a_face_is_refused() -> None:
    prior = shipped_prior()
    away = prior.head.v_template / np.linalg.norm(prior.head.v_template, axis=1, keepdims=True)
    egg = (away * np.array([75.0, 110.0, 100.0])).astype(np.float32)
    faceless = dataclasses.replace(prior, head=dataclasses.replace(prior.head, v_template=egg))
    with pytest.raises(InputError, match="no face is found in its mean head") as raised:
        skin_points(faceless)
    assert "\n" not in str(raised.value)

"""Where bone lies under eyes, nose and mouth, after rules of the literature, each with its residual.

A rule ties a combination of bone points to a combination of skin points, linear about the mean skull:

    sum of bone weights · displacement  =  sum of skin weights · displacement  −  residual

Eyes. The front of the eyeball (oculus anterius) lies 44.1 % of the orbit's height below its upper margin, 57.6 % of its
breadth lateral of dacryon, and 51.3 % of its height in front of the deepest lateral margin: Guyomarc'h, Dutailly,
Couture, Coqueugniot, J. Forensic Sci. 57(5), 2012. Standard errors of estimate on 58 CTs: 1.6 mm for the height, 2.4 mm
for the protrusion (Humphrey et al. 2025, as their abstract has it); across we take that of the height. The size of an
orbit is its own: the rule moves the orbit as a whole.

Nose. In the plane of nasion and prosthion, pronasale lies 0.83 Y − 3.5 mm in front of nasion and 0.9 X − 2 mm below it,
Y from rhinion to subspinale, X from nasion to acanthion: Rynn, Wilkinson, Peters, Forensic Sci. Med. Pathol. 6, 2010.
Tested on other people the rules were off by up to 2.2 mm on average, less in height (Mala, J. Forensic Sci. 58(4),
2013); residuals of 2.0 and 1.5 mm are our reading of that. The bony aperture is three fifths as wide as the nose
(Gerasimov's rule, kept by Rynn et al.); its residual, 0.8 mm a side, is our assumption.

Mouth. Canines are 75.8 % as far apart as the corners of the mouth: Stephan & Henneberg, J. Forensic Sci. 48(4), 2003.
Guidelines for the mouth's width scatter by 3 mm (Stephan, Am. J. Phys. Anthropol. 121(1), 2003).

Beside. Subspinale and mid-philtrum lie behind the base of the nose, the alar curvature points behind the creases of its
wings, and the edges of the incisors behind the line between the lips. That they pair is their definition; the
residuals, 1 mm at the nose's base, 0.7 mm at its wings, 1.5 mm at the philtrum and 2 mm at the mouth, are ours.

All coordinates that go by sides count outwards, so that a residual that both sides share is symmetric.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from data.landmark_rules import Relief
from data.prior import AnatomyPrior
from fields.distance import DistanceScene, SurfacePoints
from flame_jax.errors import InputError
from flame_jax.profile import face_landmarks

EYE_BELOW, EYE_LATERAL, EYE_BEFORE = 0.441, 0.576, 0.513
"""Oculus anterius: below the upper margin, lateral of dacryon, in front of the deepest lateral margin."""
EYE_SD_MM = {"height": 1.6, "lateral": 1.6, "protrusion": 2.4}
FORWARD_PER_Y, DOWN_PER_X = 0.83, 0.9
PRONASALE_SD_MM = {"forward": 2.0, "down": 1.5}
APERTURE_SHARE, APERTURE_SD_MM = 0.6, 0.8
CANINE_SHARE, MOUTH_SD_MM = 0.758, 3.0
NOSE_BASE_SD_MM, WING_SD_MM, PHILTRUM_SD_MM, MOUTH_LINE_SD_MM = 1.0, 0.7, 1.5, 2.0
_STEP = 0.5
_APERTURE_MM = 5.0
"""What lies in the aperture is farther behind its rim than this."""
_SIDES = {"_l": 1.0, "_r": -1.0}


@dataclasses.dataclass(frozen=True)
class Rule:
    """One coordinate of the bone that follows the skin."""

    name: str
    bone: Mapping[str, Float[np.ndarray, "3"]]
    """Weights of the displacements of bone points, by name."""
    skin: Mapping[str, Float[np.ndarray, "3"]]
    """Weights of the displacements of skin points, by name."""
    sd: float
    """Of the residual, in mm of the bone's coordinate."""
    place: Float[np.ndarray, "3"]
    """Where the residual acts, for its correlation with others."""


def bone_points(prior: AnatomyPrior) -> dict[str, Float[np.ndarray, "3"]]:
    """Dacryon, ectoconchion (deepest point of the lateral margin) and the aperture's lateral margin (alare of the bone)
    on both sides, and acanthion, on the mean skull, by rule; head frame, mm.

    Raises `InputError` for a skull without orbits or aperture.
    """
    relief = Relief(DistanceScene(prior.skull))
    marks = prior.landmark_points()
    points = {}
    y = np.arange(marks["ss"][1], marks["rhi"][1] - 4.0, _STEP)
    spine = relief.front(np.zeros_like(y), y)
    # The spine is the foremost bone of the aperture's lower half.
    lower = y < (marks["ss"][1] + marks["rhi"][1]) / 2
    best = int(np.argmax(np.where(lower, spine, -np.inf)))
    points["aca"] = np.array([0.0, y[best], spine[best]])
    across = np.arange(0.0, 60.0, _STEP)
    for suffix, side in _SIDES.items():
        middle = (marks["mso" + suffix] + marks["mio" + suffix]) / 2
        depth = relief.front(side * across, np.full_like(across, middle[1]))
        hollow = depth < middle[2] - 12.0
        inside = int(np.argmin(np.abs(across - abs(middle[0]))))
        medial = _first(~hollow[inside::-1])
        # The lateral margin lies farther back than the medial one; beyond it the temple falls away.
        lateral = int(np.argmax(depth[inside : inside + round(30.0 / _STEP)]))
        if medial is None or not hollow[inside] or not hollow[inside : inside + lateral].any():
            raise InputError("anatomy prior: its skull has no orbit where one should be; make one with s2f build-prior")
        for name, column in (("d", inside - medial), ("ec", inside + lateral)):
            points[name + suffix] = np.array([side * across[column], middle[1], depth[column]])
        # The aperture is widest about a quarter of its height above the spine.
        height = points["aca"][1] + 0.3 * (marks["rhi"][1] - points["aca"][1])
        profile = relief.front(side * across, np.full_like(across, height))
        rim = int(np.argmax(np.where(across < 18.0, profile, -np.inf)))
        if profile[rim] - profile[: rim + 1].min() < _APERTURE_MM:
            raise InputError("anatomy prior: its skull has no nasal aperture; make one with s2f build-prior")
        points["al" + suffix] = np.array([side * across[rim], height, profile[rim]])
    return points


def skin_points(prior: AnatomyPrior) -> dict[str, SurfacePoints]:
    """On the mean head: oculus anterius, the nose's ala and the mouth's corner on both sides, pronasale, subnasale and
    stomion.

    Raises `InputError` for a head without a face.
    """
    head = prior.head_mesh()
    scene = DistanceScene(head)
    marks, bone = prior.landmark_points(), bone_points(prior)
    face = face_landmarks(head.vertices, head.faces, prior.head.name)
    midline = {"prn": face.pronasale, "sn": face.subnasale, "sto": face.stomion}
    points = {name: np.array([0.0, point[1], point[2]]) for name, point in midline.items()}
    relief = Relief(scene)
    across = np.arange(8.0, 30.0, _STEP)
    height = 0.5 * (face.pronasale[1] + face.subnasale[1])
    for suffix, side in _SIDES.items():
        upper, lower = marks["mso" + suffix], marks["mio" + suffix]
        breadth = abs(bone["ec" + suffix][0] - bone["d" + suffix][0])
        eye_x = abs(bone["d" + suffix][0]) + EYE_LATERAL * breadth
        points["oa" + suffix] = np.array([side * eye_x, upper[1] - EYE_BELOW * (upper[1] - lower[1]), 0.0])
        points["ch" + suffix] = np.array([side * face.cheilion[0], face.cheilion[1], face.cheilion[2]])
        # The ala ends where the skin falls off most steeply.
        fall = -np.gradient(relief.front(side * across, np.full_like(across, height)))
        points["al" + suffix] = np.array([side * across[int(np.argmax(fall))], height, 0.0])
    found = {}
    for name, point in points.items():
        hit = scene.cast(np.array([[point[0], point[1], 400.0]]), np.array([[0.0, 0.0, -1.0]]))
        found[name] = SurfacePoints.of(head, hit.face_ids, hit.barycentric)
    return found


def placement_rules(prior: AnatomyPrior, points: Mapping[str, Float[np.ndarray, "3"]]) -> list[Rule]:
    """The rules of this module, about the mean skull; `points` are all bone points that may be moved."""
    rules = []
    lateral, up, forward = np.eye(3)
    for suffix, side in _SIDES.items():
        orbit = [name + suffix for name in ("mso", "mio", "d", "ec") if name + suffix in points]
        centre = np.mean([points[name] for name in orbit], axis=0)
        for name, axis in (("lateral", side * lateral), ("height", up), ("protrusion", forward)):
            rules.append(
                Rule(
                    f"eye {name}{suffix}",
                    {point: axis / len(orbit) for point in orbit},
                    {"oa" + suffix: axis},
                    EYE_SD_MM[name],
                    centre,
                )
            )
        share = APERTURE_SHARE
        rules.append(
            Rule(
                f"aperture{suffix}",
                {"al" + suffix: side * lateral},
                {"al" + suffix: share * side * lateral},
                APERTURE_SD_MM,
                points["al" + suffix],
            )
        )
        # The canines of both jaws stand together: their mean goes by the mouth.
        canines = [name + suffix for name in ("sC", "iC") if name + suffix in points]
        if canines:
            rules.append(
                Rule(
                    f"canines{suffix}",
                    {name: side * lateral / len(canines) for name in canines},
                    {"ch" + suffix: CANINE_SHARE * side * lateral},
                    CANINE_SHARE * MOUTH_SD_MM / 2,
                    np.mean([points[name] for name in canines], axis=0),
                )
            )
    return rules + _beside(points) + _nose(prior, points)


def _beside(points: Mapping[str, np.ndarray]) -> list[Rule]:
    """Points of bone that lie behind or beside points of the skin by their definition."""
    _, up, forward = np.eye(3)
    rules = []
    for name, axis, bone, skin, sd in (
        ("base of the nose", up, ("ss",), "sn", NOSE_BASE_SD_MM),
        ("philtrum", up, ("mp",), "sn", PHILTRUM_SD_MM),
        ("height of the wing_l", up, ("ac_l",), "al_l", WING_SD_MM),
        ("height of the wing_r", up, ("ac_r",), "al_r", WING_SD_MM),
        ("back of the wing_l", forward, ("ac_l",), "al_l", WING_SD_MM),
        ("back of the wing_r", forward, ("ac_r",), "al_r", WING_SD_MM),
        ("line of the mouth", up, ("pr", "id"), "sto", MOUTH_LINE_SD_MM),
    ):
        there = {point: points[point] for point in bone if point in points}
        if there:
            place = np.mean(list(there.values()), axis=0)
            rules.append(Rule(name, dict.fromkeys(there, axis / len(there)), {skin: axis}, sd, place))
    return rules


def _nose(prior: AnatomyPrior, points: Mapping[str, np.ndarray]) -> list[Rule]:
    """Rynn's two formulae, with the turn of the nasion-prosthion plane that moving its ends brings about."""
    # Also where one of them does not drive the skull: the rules that do without it stay as they are.
    marks = prior.landmark_points() | dict(points)
    n, pr, rhi, ss, aca = (marks[name] for name in ("n", "pr", "rhi", "ss", "aca"))
    down = (pr - n) * [0.0, 1.0, 1.0]
    length = float(np.linalg.norm(down))
    down = down / length
    forward = np.cross(down, [1.0, 0.0, 0.0])
    forward = forward * np.sign(forward[2])
    tip = skin_points(prior)["prn"].points[0] - n
    along, before = float(tip @ down), float(tip @ forward)
    y, x = (rhi - ss) / np.linalg.norm(rhi - ss), (aca - n) / np.linalg.norm(aca - n)
    # Pronasale's coordinates in the plane are forward · (prn − n) and down · (prn − n); the plane turns by
    # forward · (pr − n) / length, which takes from the one `along` times that, and adds `before` times it to the other.
    turned = {"n": -forward / length, "pr": forward / length}
    ahead = {"rhi": y, "ss": -y, "n": (forward + along * turned["n"]) / FORWARD_PER_Y}
    ahead["pr"] = along * turned["pr"] / FORWARD_PER_Y
    below = {"aca": x, "n": -x + (down - before * turned["n"]) / DOWN_PER_X, "pr": -before * turned["pr"] / DOWN_PER_X}
    rules = [
        Rule(
            "pronasale forward",
            ahead,
            {"prn": forward / FORWARD_PER_Y},
            PRONASALE_SD_MM["forward"] / FORWARD_PER_Y,
            rhi,
        ),
        Rule("pronasale down", below, {"prn": down / DOWN_PER_X}, PRONASALE_SD_MM["down"] / DOWN_PER_X, aca),
    ]
    return [rule for rule in rules if all(name in points for name in rule.bone)]


def _first(found: np.ndarray) -> int | None:
    """Index of the first that is true."""
    return int(np.argmax(found)) if found.any() else None

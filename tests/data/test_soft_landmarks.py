"""Points of the skin's midline profile and the ear's bowl."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.prior import read_prior
from data.shipped import PRIOR, PRIOR_ICT
from data.soft_landmarks import CHIN_MM, soft_landmarks
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.prior_made import T_FLAME_HEAD


@pytest.fixture(scope="module")
def head() -> Mesh:
    return read_prior(PRIOR).head_mesh().transformed(T_FLAME_HEAD)


@pytest.fixture(scope="module")
def points(head: Mesh) -> dict[str, np.ndarray]:
    return soft_landmarks(head)


def test_order_and_profile(points: dict[str, np.ndarray]) -> None:
    order = ["se", "prn", "sn", "ls", "sto", "li", "sm", "pg", "gn", "me"]
    assert (np.diff([points[key][1] for key in order]) < 0).all()
    depth = {key: points[key][2] for key in order}
    assert max(depth, key=depth.__getitem__) == "prn"
    assert depth["sto"] < min(depth["ls"], depth["li"])  # between the lips
    assert depth["sm"] < min(depth["li"], depth["pg"])  # the fold over the chin
    assert points["li"][1] - points["pg"][1] > 15.0


def test_on_the_skin(head: Mesh, points: dict[str, np.ndarray]) -> None:
    assert set(points) > {"concha_l", "concha_r"}
    distance = dict(zip(points, DistanceScene(head).distance(np.stack(list(points.values()))), strict=True))
    # The nose's tip is the foremost vertex near the midline, moved onto it.
    assert distance.pop("prn") < 1.0
    assert max(distance.values()) < 0.1


def test_the_ears_bowls_are_inside_the_ears(head: Mesh, points: dict[str, np.ndarray]) -> None:
    for side, key in ((1.0, "concha_l"), (-1.0, "concha_r")):
        reach = (side * head.vertices[:, 0]).max()
        assert 0.6 * reach < side * points[key][0] < reach - 4.0
    np.testing.assert_allclose(points["concha_l"] * [-1, 1, 1], points["concha_r"], atol=4.0)


def test_they_move_with_the_head(head: Mesh, points: dict[str, np.ndarray]) -> None:
    shift = np.array([0.0, 37.0, -11.0])
    for key, point in soft_landmarks(Mesh(head.vertices + shift, head.faces)).items():
        np.testing.assert_allclose(point - shift, points[key], atol=1.1, err_msg=key)


@pytest.mark.parametrize("path", [PRIOR, PRIOR_ICT], ids=["FLAME", "ICT"])
def test_menton_lies_well_behind_pogonion_under_a_square_chin_as_well(path: Path) -> None:
    points = soft_landmarks(read_prior(path).head_mesh())
    assert 0.99 * CHIN_MM < points["pg"][2] - points["me"][2] < 25.0
    assert points["me"][1] < points["gn"][1] < points["pg"][1]

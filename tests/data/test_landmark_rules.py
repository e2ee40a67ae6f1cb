"""Landmarks on the template skull: on the surface, on the right bump, wherever the template lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.landmark_rules import NOMINAL_HEIGHT_MM, frankfurt_transform, template_landmarks
from data.landmarks import ALL_KEYS, MIDLINE_KEYS, abbreviation_of
from data.mesh_files import read_mesh
from data.prior import read_prior
from data.shipped import PRIOR
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError
from tests.data_made import box, sphere

_SKULL = Path(__file__).parents[3] / "shared/data/skull_template/skull.obj"

_DOWN_THE_MIDLINE = ["v", "g", "n", "mn", "rhi", "ss", "mp", "pr", "id", "sm", "pg", "gn", "me"]

Points = dict[str, np.ndarray]


def _check_midline(points: Points) -> None:
    heights = [points[key][1] for key in _DOWN_THE_MIDLINE]
    assert (np.diff(heights) < 0).all()
    assert points["id"][1] - points["sm"][1] >= 8.0
    assert points["sm"][1] - points["pg"][1] >= 8.0
    # The chin juts out before the line from the hollow over it to its lower edge.
    share = (points["sm"][1] - points["pg"][1]) / (points["sm"][1] - points["me"][1])
    assert points["pg"][2] > points["sm"][2] + share * (points["me"][2] - points["sm"][2]) + 2.0
    assert points["op"][2] < -60.0


@pytest.fixture(scope="module")
def template() -> Mesh:
    if not _SKULL.exists():
        pytest.skip("the template skull is not beside the project")
    return read_mesh(_SKULL)


@pytest.fixture(scope="module")
def found(template: Mesh) -> tuple[Points, np.ndarray]:
    return template_landmarks(template)


@pytest.fixture(scope="module")
def nominal(found: tuple[Points, np.ndarray]) -> Points:
    points, transform = found
    return {key: transform_points(transform, point) for key, point in points.items()}


def test_all_points_lie_on_the_surface(template: Mesh, found: tuple[Points, np.ndarray], nominal: Points) -> None:
    assert tuple(nominal) == ALL_KEYS
    points = np.stack([nominal[key] for key in ALL_KEYS])
    placed = template.transformed(found[1])
    assert DistanceScene(placed).distance(points).max() < 0.1
    assert np.ptp(placed.vertices[:, 1]) == pytest.approx(NOMINAL_HEIGHT_MM, abs=2.0)


def test_sides_mirror_each_other(nominal: Points) -> None:
    for key, point in nominal.items():
        if key.endswith("_l"):
            assert point[0] > 5.0
            assert np.linalg.norm(point * [-1, 1, 1] - nominal[key[:-2] + "_r"]) < 4.0, key
    for key in MIDLINE_KEYS:
        assert abs(nominal[key][0]) < 1.0


def test_order_down_the_midline(nominal: Points) -> None:
    _check_midline(nominal)


def test_zygia_are_the_widest_points_of_the_face(template: Mesh, found: tuple[Points, np.ndarray]) -> None:
    points, transform = found
    vertices = template.transformed(transform).vertices
    arch = (vertices[:, 1] > -25) & (vertices[:, 1] < 10) & (vertices[:, 2] > 10)
    for side, key in ((1.0, "zy_l"), (-1.0, "zy_r")):
        width = side * transform_points(transform, points[key])[0]
        assert width == pytest.approx((side * vertices[arch, 0]).max(), abs=0.5)
        face = [side * transform_points(transform, points[k])[0] for k in ALL_KEYS if abbreviation_of(k) != "zy"]
        assert width > max(face)


def test_the_frame_is_frankfurts(nominal: Points) -> None:
    for key in ("po_l", "po_r", "or_l"):
        assert nominal[key][1] == pytest.approx(0.0, abs=0.3)
    np.testing.assert_allclose((nominal["po_l"] + nominal["po_r"])[1:] / 2, 0.0, atol=1e-6)
    assert nominal["or_l"][2] > 60.0
    np.testing.assert_allclose(frankfurt_transform(nominal), np.eye(4), atol=0.02)


def test_size_and_place_of_the_template_do_not_matter(template: Mesh, found: tuple[Points, np.ndarray]) -> None:
    moved, _ = template_landmarks(Mesh(0.03 * template.vertices + [1.0, -2.0, 3.0], template.faces))
    for key, point in found[0].items():
        at_nominal_size = found[1][:3, :3] @ ((moved[key] - [1.0, -2.0, 3.0]) / 0.03 - point)
        assert np.linalg.norm(at_nominal_size) < 0.6, key  # two steps of the rules' sampling


def test_the_shipped_skull_carries_its_landmarks() -> None:
    prior = read_prior(PRIOR)
    points = prior.landmark_points()
    assert set(points) == set(ALL_KEYS)
    assert DistanceScene(prior.skull).distance(np.stack(list(points.values()))).max() < 0.1
    _check_midline(points)
    np.testing.assert_allclose(frankfurt_transform(points), np.eye(4), atol=0.5)
    for key, point in points.items():
        if key.endswith("_l"):
            assert np.linalg.norm(point * [-1, 1, 1] - points[key[:-2] + "_r"]) < 1.0, key


@pytest.mark.parametrize("shape", [sphere(100.0), box()], ids=["sphere", "box"])
def test_what_is_no_skull_is_said_so(shape: Mesh) -> None:
    with pytest.raises(InputError, match=r"template skull: no surface where .* should be; give a complete skull"):
        template_landmarks(shape)

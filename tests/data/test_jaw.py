"""The mandible: told from the skull, and found closed, opened and missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.jaw import Jaw, find_jaw, mandible_mask
from data.landmarks import MANDIBULAR, abbreviation_of
from data.registration import Oriented
from fields.mesh import Mesh, submesh, transform_points
from tests.skulls_made import case, shipped_prior

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def is_jaw() -> np.ndarray:
    prior = shipped_prior()
    return mandible_mask(prior.skull, prior.landmark_points())


@pytest.fixture(scope="module")
def mandible(is_jaw: np.ndarray) -> Oriented:
    return Oriented.exposed(submesh(shipped_prior().skull, is_jaw), 1500)


def jaw_on(mandible: Oriented, skull: Mesh) -> Jaw:
    return find_jaw(mandible, Oriented.exposed(skull, 12_000), shipped_prior().landmark_points())


def opening(degrees: float, landmarks: dict[str, np.ndarray]) -> np.ndarray:
    """Turns a mandible about its condyles."""
    condyles = (landmarks["po_l"] + landmarks["po_r"]) / 2 + [0.0, -5.0, 14.0]
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec([np.radians(degrees), 0, 0]).as_matrix()
    transform[:3, 3] = condyles - transform[:3, :3] @ condyles
    return transform


def opened(skull: Mesh, is_jaw: np.ndarray, transform: np.ndarray) -> Mesh:
    return Mesh(np.where(is_jaw[:, None], transform_points(transform, skull.vertices), skull.vertices), skull.faces)


def nearest_vertex(key: str) -> int:
    prior = shipped_prior()
    return int(np.argmin(np.linalg.norm(prior.skull.vertices - prior.landmark_points()[key], axis=1)))


def test_every_landmark_lies_on_its_own_bone(is_jaw):
    for key in shipped_prior().landmark_names:
        assert is_jaw[nearest_vertex(key)] == (abbreviation_of(key) in MANDIBULAR), key


def test_the_mandible_is_a_plausible_part(is_jaw):
    skull, marks = shipped_prior().skull, shipped_prior().landmark_points()
    assert 0.1 < is_jaw.mean() < 0.35
    assert skull.vertices[is_jaw, 1].max() < marks["or_l"][1]
    assert skull.vertices[is_jaw, 2].min() > marks["po_l"][2] - 15.0
    # Both sides have about as much of it.
    left = (skull.vertices[is_jaw, 0] > 0).mean()
    assert 0.4 < left < 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_closed_jaw(mandible, seed):
    jaw = jaw_on(mandible, case(seed).skull)
    assert jaw.present
    # People's tooth rows lie a few millimetres nearer or farther apart than the template's.
    assert jaw.opening_mm < 8.0
    if jaw.opening_mm == 0:
        np.testing.assert_array_equal(jaw.T_open_closed, np.eye(4))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_open_jaw(mandible, is_jaw, seed):
    made = case(seed)
    transform = opening(15.0, made.landmarks)
    jaw = jaw_on(mandible, opened(made.skull, is_jaw, transform))
    assert jaw.present
    upper, lower = made.landmarks["pr"], made.landmarks["id"]
    wider = np.linalg.norm(transform_points(transform, lower) - upper) - np.linalg.norm(lower - upper)
    assert jaw.opening_mm == pytest.approx(wider, abs=7.0)
    turn = Rotation.from_matrix(jaw.T_open_closed[:3, :3]).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, [15.0, 0.0, 0.0], atol=6.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_jaw(mandible, is_jaw, seed):
    jaw = jaw_on(mandible, submesh(case(seed).skull, ~is_jaw))
    assert not jaw.present
    assert jaw.opening_mm == 0.0
    np.testing.assert_array_equal(jaw.T_open_closed, np.eye(4))

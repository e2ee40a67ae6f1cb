"""Sites between the landmarks: on the face, spread evenly, and as variable as the landmarks around."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from data.cohort.skin_between import skin_between
from data.face_region import face_triangles
from data.prior import AnatomyPrior
from fields.distance import DistanceScene
from tests.controls_made import controls_of
from tests.skulls_made import shipped_prior


def with_modes(modes: np.ndarray) -> AnatomyPrior:
    """The prior with other modes, vertices × 3 × modes."""
    head = dataclasses.replace(shipped_prior().head, shapedirs=modes.astype(np.float32))
    return dataclasses.replace(shipped_prior(), head=head)


@functools.cache
def found() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Normals, places, weights and standard deviations of the sites.

    Normals show in modes that shift the head, and places in modes that move each vertex forward by its coordinates.
    """
    vertices = shipped_prior().head.v_template
    modes = np.zeros((len(vertices), 3, 6))
    modes[:, :, :3] = np.eye(3)
    modes[:, 2, 3:] = vertices
    target, sd = skin_between(with_modes(modes), controls_of("train"))
    weights = np.linalg.norm(target[:, :3], axis=1)
    return target[:, :3] / weights[:, None], target[:, 3:] / target[:, 2:3], weights, sd


def test_sites_are_different_places_on_the_face() -> None:
    normals, places, _, _ = found()
    marks = shipped_prior().landmark_points()
    scene = DistanceScene(shipped_prior().head_mesh())
    assert scene.distance(places).max() < 0.05
    nearest = scene.closest(places).face_ids
    face = face_triangles(shipped_prior().head_mesh(), marks)
    # Where the skin runs backwards, places and triangles are found less exactly.
    assert face[nearest].mean() > 0.98
    facing = np.einsum("sd,sd->s", normals, shipped_prior().head_mesh().face_normals()[nearest])
    assert np.median(facing) > 0.999
    assert len(np.unique(nearest)) > 0.98 * len(places)
    assert (places[:, 2] > 0.5 * (marks["po_l"][2] + marks["po_r"][2])).all()


def test_sites_are_spread_by_area() -> None:
    _, places, _, _ = found()
    head = shipped_prior().head_mesh()
    faces = face_triangles(head, shipped_prior().landmark_points())
    centres, areas = head.vertices[head.faces].mean(axis=1)[faces], head.face_areas()[faces]
    middle = areas @ centres / areas.sum()
    scatter = np.sqrt(areas @ (centres - middle) ** 2 / areas.sum())
    # Five standard errors of a mean.
    assert (np.abs(places.mean(axis=0) - middle) < 5.0 * scatter / np.sqrt(len(places))).all()
    np.testing.assert_allclose(places.std(axis=0), scatter, rtol=0.25)


def test_all_sites_weigh_the_same_and_no_more_than_a_landmark() -> None:
    _, _, weights, _ = found()
    np.testing.assert_allclose(weights, weights[0], rtol=1e-4)
    assert 0.05 < weights[0] < 1.0 + 1e-6


def test_depths_vary_as_at_the_landmarks_around() -> None:
    _, places, _, sd = found()
    controls = controls_of("train")
    known = controls.sd[: controls.depths]
    assert known.min() < sd.min()
    assert sd.max() < known.max()
    gap = np.linalg.norm(places[:, None] - controls.ties.points[None], axis=-1)
    for site, gaps in enumerate(gap):
        around = known[gaps < 75.0]
        assert around.min() <= sd[site] <= around.max()
    # Cheeks vary more than the forehead.
    cheeks = (np.abs(places[:, 0]) > 35.0) & (places[:, 1] < -30.0)
    forehead = places[:, 1] > 40.0
    assert min(cheeks.sum(), forehead.sum()) > 5
    assert sd[cheeks].mean() > 1.5 * sd[forehead].mean()


def test_equal_landmarks_make_equal_sites() -> None:
    controls = controls_of("train")
    level = dataclasses.replace(controls, sd=np.full_like(controls.sd, 2.5))
    np.testing.assert_allclose(skin_between(shipped_prior(), level)[1], 2.5)


def test_always_the_same() -> None:
    first, again = (skin_between(shipped_prior(), controls_of("train")) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)

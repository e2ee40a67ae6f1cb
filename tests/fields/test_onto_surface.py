"""Vertices come to lie on the field's surface, smoothly, and what meets nothing follows."""

from __future__ import annotations

import numpy as np
import pytest

from data.prior import AnatomyPrior, read_prior
from data.shipped import PRIOR
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.onto_surface import onto_surface
from tests.data_made import joined, sphere

_EXACT_MM = 0.05


def _ball(points: np.ndarray, radius: float = 100.0) -> np.ndarray:
    return np.linalg.norm(points, axis=1) - radius


def _folds(before: Mesh, after: Mesh) -> int:
    return int((np.einsum("fd,fd->f", before.face_normals(), after.face_normals()) < 0.0).sum())


@pytest.fixture(scope="module")
def prior() -> AnatomyPrior:
    return read_prior(PRIOR)


@pytest.mark.parametrize("radius", [93.0, 99.9, 100.0, 105.5])
def test_a_ball_comes_onto_a_ball(radius: float) -> None:
    start = sphere(radius)
    moved = onto_surface(start, _ball)
    assert moved.met.all()
    assert np.abs(_ball(moved.mesh.vertices)).max() < 1e-3
    np.testing.assert_array_equal(moved.mesh.faces, start.faces)
    # Along the normals.
    np.testing.assert_allclose(moved.mesh.vertices, start.vertices * (100.0 / radius), atol=0.2)


def test_what_is_out_of_reach_stays() -> None:
    start = sphere(80.0)
    moved = onto_surface(start, _ball)
    assert not moved.met.any()
    np.testing.assert_allclose(moved.mesh.vertices, start.vertices, atol=1e-9)
    assert onto_surface(start, _ball, reach_mm=25.0).met.all()


def test_only_the_way_out_is_met_and_the_nearest_one() -> None:
    # A shell: inside between 97 and 103 mm. From 96 mm its inner wall is nearer, but faces the other way.
    def shell(points: np.ndarray) -> np.ndarray:
        return np.abs(_ball(points)) - 3.0

    moved = onto_surface(sphere(96.0), shell)
    assert moved.met.all()
    np.testing.assert_allclose(np.linalg.norm(moved.mesh.vertices, axis=1), 103.0, atol=1e-2)

    # Two shells, of which the nearer outer wall is at 99.
    def shells(points: np.ndarray) -> np.ndarray:
        return np.minimum(np.abs(_ball(points) + 2.5) - 1.5, np.abs(_ball(points) - 4.0) - 1.5)

    moved = onto_surface(sphere(101.0), shells)
    np.testing.assert_allclose(np.linalg.norm(moved.mesh.vertices, axis=1), 99.0, atol=1e-2)


def test_what_meets_nothing_follows_smoothly() -> None:
    # The target has a crater too deep to reach.
    def crater(points: np.ndarray) -> np.ndarray:
        return np.maximum(_ball(points), 60.0 - np.linalg.norm(points - np.array([0.0, 0.0, 130.0]), axis=1))

    start = sphere(96.0, subdivisions=4)
    moved = onto_surface(start, crater)
    # Well within the crater's rim; at the rim normals differ from the surface's.
    hole = np.linalg.norm(start.vertices - np.array([0.0, 0.0, 130.0]), axis=1) < 50.0
    assert hole.sum() > 50
    assert not moved.met[hole].any()
    assert moved.met.mean() > 0.7
    assert np.abs(crater(moved.mesh.vertices[moved.met])).max() < _EXACT_MM
    # Filled as the rest: the ball goes on over the crater, between the start and the target around.
    radius = np.linalg.norm(moved.mesh.vertices[hole], axis=1)
    assert radius.min() > 96.0 - 8.0
    assert radius.std() < 1.5
    assert _folds(start, moved.mesh) == 0


def test_noise_of_the_field_is_smoothed_only_as_far_as_it_may() -> None:
    rng = np.random.default_rng(0)
    waves, phases = rng.normal(size=(3, 40)) * 3.0, rng.uniform(0.0, 2 * np.pi, 40)

    def rough(points: np.ndarray) -> np.ndarray:
        return _ball(points) + 0.05 * np.sin(points @ waves + phases).mean(axis=1)

    moved = onto_surface(sphere(98.0, subdivisions=4), rough)
    assert moved.met.all()
    away = rough(moved.mesh.vertices)
    assert np.abs(away).max() < _EXACT_MM
    radius = np.linalg.norm(moved.mesh.vertices, axis=1)
    # What was found on each normal, without smoothing.
    exact = np.linalg.norm(moved.mesh.vertices, axis=1) - away
    assert radius.std() < 0.75 * exact.std()


def test_heads_come_onto_other_heads(prior: AnatomyPrior) -> None:
    rng = np.random.default_rng(1)
    betas = rng.normal(size=(prior.head.shapedirs.shape[2],))
    start, person = prior.head_mesh(betas), prior.head_mesh(betas + 0.3 * rng.normal(size=len(betas)))
    scene = DistanceScene(person)
    moved = onto_surface(start, scene.signed_distance)
    before, after = scene.distance(start.vertices), scene.distance(moved.mesh.vertices)
    assert before.mean() > 0.4
    assert moved.met.mean() > 0.94
    assert after[moved.met].max() < _EXACT_MM
    assert after.mean() < 0.1
    # Seen from the other side too: nothing of the person is left out.
    assert DistanceScene(moved.mesh).distance(person.vertices).mean() < 0.15
    assert _folds(start, moved.mesh) == 0
    # As smooth as the heads are: the corners between triangles are no sharper.
    np.testing.assert_allclose(_bend(moved.mesh), _bend(person), rtol=0.1)


def _bend(mesh: Mesh) -> float:
    """Mean turn of the normal from vertex to vertex."""
    normals = mesh.vertex_normals()
    edges = mesh.faces[:, [0, 1]]
    return float(np.linalg.norm(normals[edges[:, 0]] - normals[edges[:, 1]], axis=1).mean())


def test_what_does_not_seek_is_left_or_follows(prior: AnatomyPrior) -> None:
    # An eyeball under the skin stays; a patch of skin follows what is around it.
    ball = sphere(96.0)
    both = joined(ball, sphere(12.0, subdivisions=2, centre=(0, 0, 84)))
    seeking = np.arange(len(both.vertices)) < len(ball.vertices)
    patch = (both.vertices[:, 1] > 80.0) & seeking
    moved = onto_surface(both, _ball, seeking=seeking & ~patch)
    np.testing.assert_array_equal(moved.met, seeking & ~patch)
    np.testing.assert_allclose(moved.mesh.vertices[~seeking], both.vertices[~seeking], atol=1e-6)
    # Four millimetres out, less what moves in different directions lose on average.
    np.testing.assert_allclose(np.linalg.norm(moved.mesh.vertices[patch], axis=1), 99.6, atol=0.5)


def test_a_field_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite within 8 mm"):
        onto_surface(sphere(98.0), lambda points: np.where(points[:, 0] > 0.0, np.nan, _ball(points)))

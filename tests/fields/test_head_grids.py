"""The shipped prior's mean head on a grid, read back; and a ball."""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

import fields.head_grids
from data.face_region import face_triangles
from fields.distance import DistanceScene
from fields.head_grids import MARGIN_MM, SPACING_MM, HeadGrids, head_grids, kept_head_grids
from fields.head_warp import mean_distance
from fields.mesh import Mesh
from fields.sampling import sample_surface
from tests.data_made import sphere
from tests.fields_made import tiny_prior
from tests.skulls_made import shipped_prior

_RADIUS = 30.0
_read = jax.jit(mean_distance)


@functools.cache
def head() -> Mesh:
    prior = tiny_prior()
    return Mesh(np.asarray(prior.mean, np.float64), np.asarray(prior.faces))


@functools.cache
def ball() -> HeadGrids:
    return head_grids(sphere(_RADIUS, subdivisions=4), 3.0)


def distances(grids: HeadGrids, points: np.ndarray) -> np.ndarray:
    return np.asarray(_read(grids, points.astype(np.float32)), np.float64)


def nodes(grids: HeadGrids) -> np.ndarray:
    return np.asarray(grids.low) + float(grids.spacing) * np.indices(grids.distance.shape).reshape(3, -1).T


def on_face(count: int) -> np.ndarray:
    face = face_triangles(head(), shipped_prior().landmark_points())
    return sample_surface(head(), count, seed=0, face_mask=face).points


def test_the_face_is_read_back() -> None:
    """What the module's docstring says."""
    off = np.abs(distances(tiny_prior().grids, on_face(20_000)))
    assert off.mean() == pytest.approx(0.03, abs=0.005)
    assert np.percentile(off, 99) < 0.3


def test_about_the_head_it_is_open3ds_distance() -> None:
    rng = np.random.default_rng(1)
    about = sample_surface(head(), 20_000, seed=2).points
    about += rng.normal(size=about.shape) * rng.choice([1.0, 4.0, 8.0], (len(about), 1))
    found, wanted = distances(tiny_prior().grids, about), DistanceScene(head()).signed_distance(about)
    assert np.abs(found - wanted).mean() < 0.05
    clear = np.abs(wanted) > 1.0
    np.testing.assert_array_equal(np.sign(found)[clear], np.sign(wanted)[clear])


def test_each_node_holds_its_closest_point() -> None:
    grids, mean = tiny_prior().grids, head()
    weights = np.asarray(grids.weights, np.float64).reshape(-1, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert weights.min() > -1e-6
    points = np.einsum("nc,ncd->nd", weights, mean.vertices[np.asarray(grids.ids).reshape(-1, 3)])
    way = np.linalg.norm(nodes(grids) - points, axis=1)
    distance = np.abs(np.asarray(grids.distance, np.float64).ravel())
    near = distance < 10.0
    assert near.mean() > 0.1
    np.testing.assert_allclose(way[near], distance[near], atol=1e-3)
    # Far off, that of a coarse node before it: three cells away at most, so by no more than twice that way farther.
    assert (way - distance).max() < 2.0 * np.sqrt(3.0) * 3.0 * SPACING_MM


def test_heads_larger_than_the_mean_are_on_the_grid() -> None:
    grids, vertices = tiny_prior().grids, head().vertices
    last = nodes(grids)[-1]
    assert float(grids.spacing) == SPACING_MM
    np.testing.assert_allclose(vertices.min(axis=0) - grids.low, MARGIN_MM, atol=1e-3)
    assert (last - vertices.max(axis=0)).min() > MARGIN_MM - 1e-3
    assert np.asarray(grids.distance)[0].min() > 0.0


def test_a_ball_is_as_far_as_its_formula_says() -> None:
    points = np.random.default_rng(3).normal(size=(5_000, 3)) * 12.0
    wanted = np.linalg.norm(points, axis=1) - _RADIUS
    off, deep = np.abs(distances(ball(), points) - wanted), wanted < -14.0
    assert 500 < deep.sum() < 4_500
    assert off[~deep].mean() < 0.12
    assert off[~deep].max() < 0.6
    # There the grid is coarse, and a ball's middle is the worst of places.
    assert off[deep].max() < 6.0
    # Beyond the grid by the way to it, which is no shortcut, and for rays along an axis the way itself.
    far = np.array([[500.0, 0.0, 0.0], [0.0, -300.0, 0.0], [200.0, 200.0, 200.0]])
    found, true = distances(ball(), far), np.linalg.norm(far, axis=1) - _RADIUS
    np.testing.assert_allclose(found[:2], true[:2], atol=0.5)
    assert true[2] - 0.5 < found[2] < 1.2 * true[2]


def test_grids_are_rasterised_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mesh = sphere(_RADIUS)
    made = kept_head_grids(mesh)
    (file,) = (tmp_path / "s2f" / "grids").iterdir()

    def never(*_: object) -> None:
        pytest.fail("rasterised again")

    with monkeypatch.context() as patch:
        patch.setattr(fields.head_grids, "head_grids", never)
        kept = kept_head_grids(mesh)
    for name, array in vars(made).items():
        assert getattr(kept, name).dtype == array.dtype
        np.testing.assert_array_equal(getattr(kept, name), array, err_msg=name)
    other = kept_head_grids(sphere(1.1 * _RADIUS))
    assert other.distance.shape != made.distance.shape, "another head has its own"
    file.write_bytes(file.read_bytes()[:-100])
    np.testing.assert_array_equal(kept_head_grids(mesh).distance, made.distance, err_msg="damaged, and made again")


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    mesh = sphere(_RADIUS)
    np.testing.assert_array_equal(kept_head_grids(mesh).distance, head_grids(mesh).distance)

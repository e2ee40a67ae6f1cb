"""Signed distances in JAX: shapes with known answers, the shipped prior's heads against open3d, derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.prior import AnatomyPrior, read_prior
from data.shipped import PRIOR
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh
from fields.mesh_distance import ClosestPoints, MeshIndex, closest, mesh_index, signed_distance
from fields.query_chunks import CHUNK
from tests.data_made import box, inside_out

_SIZE = (4.0, 6.0, 8.0)

_COUNT = 4 * CHUNK - 300
"""Points in every question, and the last chunk is not full. Of one count, for to compile is what takes the time."""

_Slopes = tuple[jax.Array, jax.Array]


@jax.jit
def _closest(index: MeshIndex, vertices: jax.Array, points: jax.Array) -> tuple[ClosestPoints, _Slopes]:
    def total(vertices: jax.Array, points: jax.Array) -> tuple[jax.Array, ClosestPoints]:
        found = closest(index, vertices, points)
        return found.distance.sum(), found

    slopes, found = jax.grad(total, argnums=(0, 1), has_aux=True)(vertices, points)
    return found, slopes


def _found(index: MeshIndex, vertices: np.ndarray, points: np.ndarray) -> tuple[ClosestPoints, _Slopes]:
    assert len(points) == _COUNT
    return _closest(index, jnp.asarray(vertices, jnp.float32), jnp.asarray(points, jnp.float32))


def _distance(index: MeshIndex, vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of any number of points up to `_COUNT`: repeated until there are as many."""
    return np.asarray(_found(index, vertices, np.resize(points, (_COUNT, 3)))[0].distance)[: len(points)]


@pytest.fixture(scope="module")
def brick() -> Mesh:
    """All small meshes of these tests have its topology."""
    return box(_SIZE, subdivisions=2)


@pytest.fixture(scope="module")
def brick_index(brick: Mesh) -> MeshIndex:
    return mesh_index(brick)


@pytest.fixture(scope="module")
def prior() -> AnatomyPrior:
    return read_prior(PRIOR)


@pytest.fixture(scope="module")
def head_index(prior: AnatomyPrior) -> MeshIndex:
    return mesh_index(prior.head_mesh())


def _ball(brick: Mesh, radius: float) -> Mesh:
    """The brick's vertices moved onto a sphere."""
    return Mesh(radius * brick.vertices / np.linalg.norm(brick.vertices, axis=1, keepdims=True), brick.faces)


def _brick_distance(points: np.ndarray) -> np.ndarray:
    q = np.abs(points) - np.array(_SIZE) / 2
    return np.linalg.norm(np.maximum(q, 0.0), axis=-1) + np.minimum(q.max(axis=-1), 0.0)


def _around(mesh: Mesh, seed: int) -> np.ndarray:
    """Half of the points about 2 to 10 mm off the surface, half anywhere in the bounding box grown by 30 mm."""
    rng = np.random.default_rng(seed)
    corners = mesh.vertices[mesh.faces[rng.integers(len(mesh.faces), size=_COUNT // 2)]]
    near = np.einsum("pc,pcd->pd", rng.dirichlet([1.0, 1.0, 1.0], len(corners)), corners)
    near += rng.normal(size=near.shape) * rng.uniform(2.0, 10.0, (len(near), 1))
    low, high = mesh.vertices.min(axis=0) - 30.0, mesh.vertices.max(axis=0) + 30.0
    return np.concatenate([near, rng.uniform(low, high, (_COUNT - len(near), 3))]).astype(np.float32)


def test_a_box_is_as_far_as_its_formula_says(brick: Mesh, brick_index: MeshIndex) -> None:
    points = np.random.default_rng(0).uniform(-6, 6, (_COUNT, 3))
    np.testing.assert_allclose(_distance(brick_index, brick.vertices, points), _brick_distance(points), atol=2e-6)
    # Its own vertices and the middles of edges and triangles; then outside corners, edges and faces, and the centre.
    corners = brick.vertices[brick.faces]
    on = np.concatenate([brick.vertices, corners[:, :2].mean(axis=1), corners.mean(axis=1)])
    np.testing.assert_allclose(_distance(brick_index, brick.vertices, on), 0.0, atol=1e-6)
    signs = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 3)
    points = np.concatenate([signs * np.array(_SIZE) / 2 * reach for reach in (0.3, 1.0, 2.5)])
    np.testing.assert_allclose(_distance(brick_index, brick.vertices, points), _brick_distance(points), atol=2e-6)


def test_a_ball_is_as_far_as_the_spheres_around_and_within_it_allow(brick: Mesh, brick_index: MeshIndex) -> None:
    ball = _ball(brick, 100.0)
    inner = np.einsum("fd,fd->f", ball.face_normals(), ball.vertices[ball.faces[:, 0]]).min()
    assert inner > 80.0
    points = np.random.default_rng(1).normal(size=(_COUNT, 3)) * 60.0
    radius = np.linalg.norm(points, axis=1)
    found = _distance(brick_index, ball.vertices, points)
    assert (found >= radius - 100.0 - 1e-4).all()
    assert (found <= radius - inner + 1e-4).all()
    # Beyond a vertex nothing is nearer than the vertex.
    np.testing.assert_allclose(_distance(brick_index, ball.vertices, 1.4 * ball.vertices), 40.0, atol=1e-4)


def test_heads_agree_with_open3d(prior: AnatomyPrior, head_index: MeshIndex) -> None:
    rng = np.random.default_rng(2)
    modes = prior.head.shapedirs.shape[2]
    betas = [rng.normal(size=(modes,)) for _ in range(4)]
    betas += [sd * np.eye(modes)[mode] for mode, sd in ((0, 3.0), (1, -3.0), (2, 3.0))]
    wrong = 0
    for seed, coefficients in enumerate(betas):
        head = prior.head_mesh(coefficients)
        points = _around(head, seed)
        found = _distance(head_index, head.vertices, points)
        wanted = DistanceScene(head).signed_distance(points)
        np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=1e-4)
        wrong += int((np.sign(found) != np.sign(wanted)).sum())
    assert wrong <= 1e-4 * _COUNT * len(betas)


def test_an_index_serves_the_mesh_turned_moved_and_scaled(prior: AnatomyPrior, head_index: MeshIndex) -> None:
    head = prior.head_mesh()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    points = _around(head, 3)
    wanted = DistanceScene(head).signed_distance(points)
    found = _distance(head_index, 1e-3 * (head.vertices @ turn.T + 50.0), 1e-3 * (points @ turn.T + 50.0))
    np.testing.assert_allclose(found, 1e-3 * wanted, atol=1e-7)


def test_closest_points_are_their_barycentric_coordinates(prior: AnatomyPrior, head_index: MeshIndex) -> None:
    head = prior.head_mesh()
    points = _around(head, 4)
    near, (by_vertex, by_point) = _found(head_index, head.vertices, points)
    at, distance = np.asarray(near.points), np.asarray(near.distance)
    weights = np.asarray(near.barycentric, np.float64)
    assert weights.min() >= -1e-6
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    there = SurfacePoints.of(head, np.asarray(near.face_ids), weights).points
    np.testing.assert_allclose(there, at, atol=5e-5)
    np.testing.assert_allclose(np.linalg.norm(points - there, axis=1), np.abs(distance), atol=5e-5)
    np.testing.assert_allclose(points - distance[:, None] * np.asarray(near.normals), at, atol=5e-5)
    np.testing.assert_allclose(by_point, near.normals, atol=1e-6)
    assert np.isfinite(by_vertex).all()


def test_slivers_and_triangles_without_area_do_no_harm(brick: Mesh) -> None:
    # Vertices within the box's sides are moved to a neighbour there, wholly or nearly: the box is the same box.
    vertices = brick.vertices.copy()
    on_sides = np.isclose(np.abs(vertices), np.array(_SIZE) / 2)
    moved = []
    for side, share in ((0, 1.0), (1, 1.0 - 1e-6), (2, 0.5)):
        within = on_sides[:, side] & (on_sides.sum(axis=1) == 1) & (vertices[:, side] > 0.0)
        start, end = next(edge for edge in brick.faces[:, :2] if within[edge].all())
        vertices[start] += share * (vertices[end] - vertices[start])
        moved.append(start)
    flat = Mesh(vertices, brick.faces)
    assert flat.face_areas().min() == 0.0
    points = np.random.default_rng(5).uniform(-6, 6, (_COUNT, 3))
    points[:300] = vertices[moved].repeat(100, axis=0) + 1e-2 * points[:300]
    near, (by_vertex, _) = _found(mesh_index(flat), vertices, points)
    np.testing.assert_allclose(near.distance, _brick_distance(points), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(near.normals, axis=1), 1.0, atol=1e-5)
    assert np.isfinite(by_vertex).all()


def test_the_gradient_is_the_way_from_the_surface(brick: Mesh, brick_index: MeshIndex) -> None:
    points = np.random.default_rng(6).uniform(-6, 6, (_COUNT, 3))
    near, (by_vertex, by_point) = _found(brick_index, brick.vertices, points)
    np.testing.assert_allclose(np.linalg.norm(by_point, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(by_point, near.normals, atol=1e-6)
    # To move all vertices is to move all points the other way.
    np.testing.assert_allclose(by_vertex.sum(axis=0), -by_point.sum(axis=0), atol=1e-3)
    # Along a line, against differences; the box has no slope where two of its sides are equally near.
    step = 6e-3
    ahead, behind = (_brick_distance(points + sign * step) for sign in (1, -1))
    smooth = np.abs(ahead + behind - 2 * _brick_distance(points)) < 1e-4
    assert smooth.mean() > 0.9
    np.testing.assert_allclose(by_point.sum(axis=1)[smooth], ((ahead - behind) / (2 * step))[smooth], atol=2e-2)


def test_the_gradient_by_vertices_is_that_of_differences(brick: Mesh, brick_index: MeshIndex) -> None:
    ball = _ball(brick, 10.0)
    points = np.random.default_rng(7).normal(size=(_COUNT, 3)) * 8.0
    direction = np.random.default_rng(8).normal(size=ball.vertices.shape)
    slope = np.asarray(_found(brick_index, ball.vertices, points)[1][0], np.float64) / _COUNT
    ahead, behind = (
        _distance(brick_index, ball.vertices + sign * 1e-2 * direction, points).mean(dtype=np.float64)
        for sign in (1, -1)
    )
    assert (slope * direction).sum() == pytest.approx((ahead - behind) / 2e-2, abs=1e-3)


def test_on_the_surface_the_gradient_is_the_normal(brick: Mesh, brick_index: MeshIndex) -> None:
    ball = _ball(brick, 10.0)
    middles = ball.vertices[ball.faces].mean(axis=1)
    count = len(middles)
    on = np.resize(np.concatenate([middles, ball.vertices]), (_COUNT, 3))
    by_vertex, by_point = _found(brick_index, ball.vertices, on)[1]
    np.testing.assert_allclose(by_point[:count], ball.face_normals(), atol=1e-4)
    assert np.isfinite(by_vertex).all()
    np.testing.assert_allclose(np.linalg.norm(by_point, axis=1), 1.0, atol=1e-5)


def test_two_meshes_at_once_and_no_compiling_for_others(brick: Mesh, brick_index: MeshIndex) -> None:
    traced = []

    @jax.jit
    def together(index: MeshIndex, vertices: jax.Array, points: jax.Array) -> jax.Array:
        traced.append(True)
        return jax.vmap(signed_distance, in_axes=(None, 0, 0))(index, vertices, points)

    rng = np.random.default_rng(9)
    for _ in range(2):
        vertices = brick.vertices[None] * [[[1.0]], [[1.1]]] + rng.normal(scale=0.1, size=(2, *brick.vertices.shape))
        points = rng.uniform(-6, 6, (2, _COUNT, 3))
        one_by_one = [_distance(brick_index, *both) for both in zip(vertices, points, strict=True)]
        np.testing.assert_allclose(together(brick_index, vertices, points), np.stack(one_by_one), atol=1e-5)
    assert len(traced) == 1


def test_nothing_asked_and_nonsense_asked(brick: Mesh, brick_index: MeshIndex) -> None:
    assert jax.jit(signed_distance)(brick_index, brick.vertices, np.zeros((0, 3))).shape == (0,)
    points = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [0, 0, 0], [1e6, 0, 0]])
    found = _distance(brick_index, brick.vertices, points)
    assert np.isnan(found[:3]).all()
    np.testing.assert_allclose(found[3:], [-2.0, 1e6 - 2.0], rtol=1e-6)


def test_open_surfaces_are_refused() -> None:
    shape = box()
    for faces in (shape.faces[1:], shape.faces[:0], np.concatenate([shape.faces[:1, ::-1], shape.faces[1:]])):
        with pytest.raises(ValueError, match="not closed"):
            mesh_index(Mesh(shape.vertices, faces))
    mesh_index(inside_out(shape))

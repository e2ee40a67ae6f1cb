"""Pools of a pair: the distances are exact, the points lie where they should, and a face elsewhere is refused."""

from __future__ import annotations

import numpy as np
import pytest

from data.cohort.queries import ANYWHERE_SHARE, FACE_SHARE
from data.face_region import face_triangles
from data.pairs.open_surface import REACH_MM
from data.pairs.pools import HeadRegion, Pools, PoolSizes, head_region, make_pools
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import box, inside_out, sphere
from tests.pairs_made import FACE_RADIUS, SKULL_RADIUS, cut_sphere
from tests.skulls_made import case, shipped_prior

SIZES = PoolSizes(skull_points=2_000, queries=4_000)
SKULL, FACE = sphere(SKULL_RADIUS), sphere(FACE_RADIUS)


def region() -> HeadRegion:
    return head_region(shipped_prior())


def pools(face: Mesh = FACE, skull: Mesh = SKULL, *, sizes: PoolSizes = SIZES, seed: int = 0) -> Pools:
    return make_pools(skull, face, region(), sizes, seed=seed, source="face.ply")


def test_shapes_and_types():
    made = pools()
    assert made.skull_points.shape == made.skull_normals.shape == (2_000, 3)
    assert made.query_points.shape == (4_000, 3)
    assert made.query_distances.shape == (4_000,)
    arrays = (made.skull_points, made.skull_normals, made.query_points, made.query_distances)
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_skull_points_lie_on_the_skull_and_look_out():
    made = pools()
    assert DistanceScene(SKULL).distance(made.skull_points.astype(float)).max() < 1e-3
    np.testing.assert_allclose(np.linalg.norm(made.skull_normals, axis=1), 1.0, atol=1e-5)
    assert np.einsum("pd,pd->p", made.skull_points, made.skull_normals).min() > 0.9 * SKULL_RADIUS
    # By area: as many in each octant.
    octant = (made.skull_points > 0.0) @ [1, 2, 4]
    assert np.abs(np.bincount(octant, minlength=8) - 250).max() < 60


def test_distances_are_exact():
    made = pools()
    np.testing.assert_allclose(
        made.query_distances, DistanceScene(FACE).signed_distance(made.query_points.astype(float)), atol=1e-6
    )
    radius = np.linalg.norm(made.query_points, axis=1)
    # A sphere of triangles lies within 0.4 mm under the sphere through its corners.
    assert np.abs(made.query_distances - (radius - FACE_RADIUS)).max() < 0.5


def test_queries_lie_where_training_looks():
    person, where = case(0), region()
    made = pools(person.head, person.skull)
    inside = ((made.query_points >= where.low) & (made.query_points <= where.high)).all(axis=1)
    assert inside.mean() > 0.99
    near = DistanceScene(person.head).closest(made.query_points.astype(float))
    in_face = face_triangles(person.head, where.landmarks)[near.face_ids]
    close = np.abs(made.query_distances) < 5.0
    assert abs(in_face[close].mean() - FACE_SHARE) < 0.12
    # A normal distribution has 0.68 within its standard deviation; the two widths are 2 and 10 mm.
    about = 1.0 - ANYWHERE_SHARE
    assert abs((np.abs(made.query_distances) < 2.0).mean() - about * (0.68 + 0.16) / 2.0) < 0.08
    assert 0.2 < (made.query_distances < 0.0).mean() < 0.8


def test_the_first_few_are_a_fair_sample():
    made = pools()
    first, last = made.query_distances[:1_000], made.query_distances[-1_000:]
    assert abs(np.abs(first).mean() - np.abs(last).mean()) < 3.0
    assert np.abs(made.skull_points[:500].mean(axis=0)).max() < 12.0


def test_draws_depend_on_the_seed_alone():
    for name in ("skull_points", "skull_normals", "query_points", "query_distances"):
        np.testing.assert_array_equal(getattr(pools(), name), getattr(pools(), name))
        assert (getattr(pools(), name) != getattr(pools(seed=1), name)).any()


@pytest.mark.parametrize("wound", [cut_sphere(), inside_out(cut_sphere())], ids=["outward", "inward"])
def test_open_faces_have_only_what_can_be_trusted(wound):
    made = pools(wound)
    assert made.query_points.shape == (4_000, 3)
    assert np.abs(made.query_distances).max() <= REACH_MM
    radius = np.linalg.norm(made.query_points, axis=1)
    np.testing.assert_allclose(made.query_distances, radius - FACE_RADIUS, atol=0.15)
    assert (made.query_points[:, 1] * FACE_RADIUS / radius).max() < 40.0
    assert 0.3 < (made.query_distances < 0.0).mean() < 0.7


def elsewhere(mesh: Mesh, *move: float) -> Mesh:
    return Mesh(mesh.vertices + np.array(move), mesh.faces)


@pytest.mark.parametrize("face", [FACE, cut_sphere()], ids=["closed", "open"])
def test_a_face_in_another_frame_is_refused(face):
    with pytest.raises(InputError, match=r"face\.ply: is not around the skull beside it; both must be in one frame"):
        pools(elsewhere(face, 0.0, 0.0, 300.0))


def test_a_pair_far_from_the_head_frame_is_refused():
    with pytest.raises(InputError, match=r"face\.ply: has nothing where a head is"):
        pools(elsewhere(FACE, 0.0, 0.0, 900.0), elsewhere(SKULL, 0.0, 0.0, 900.0))


def test_a_torn_face_is_refused():
    """Every second triangle of a sphere is gone, so that all that is left lies at a border."""
    fine = sphere(FACE_RADIUS, subdivisions=5)
    rng = np.random.default_rng(0)
    torn = Mesh(fine.vertices, fine.faces[rng.random(len(fine.faces)) < 0.15])
    with pytest.raises(InputError, match=r"face\.ply: is (too torn|not around)"):
        pools(torn)


def test_boxes_have_faces_too():
    made = pools(box((180.0, 220.0, 200.0)))
    outside = np.abs(made.query_points) - np.array([90.0, 110.0, 100.0])
    wanted = np.linalg.norm(np.maximum(outside, 0.0), axis=1) + np.minimum(outside.max(axis=1), 0.0)
    np.testing.assert_allclose(made.query_distances, wanted, atol=1e-3)

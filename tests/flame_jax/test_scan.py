"""Scans: sampled evenly, normals outward, the same every time, and refused in one line if there is nothing to fit."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
import trimesh

from flame_jax import InputError, read_head_model
from flame_jax.nearest_points import nearest
from flame_jax.scan import Scan, stack_scans

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"

_nearest = jax.jit(nearest)


def _ball(subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    return np.array(ball.vertices), np.array(ball.faces)


def _directions(count: int, seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _degrees(scan: Scan, normals: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(np.einsum("pd,pd->p", scan.normals, normals), -1, 1)))


def _expect_well_formed(scan: Scan, count: int) -> None:
    assert scan.points.shape == scan.normals.shape == (count, 3)
    assert scan.points.dtype == scan.normals.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(scan.normals, axis=1), 1, atol=1e-5)
    ids = _nearest(scan.index, scan.points, scan.points[:100])
    np.testing.assert_allclose(scan.points[np.asarray(ids)], scan.points[:100])


def test_mesh_is_sampled_by_area_with_its_normals() -> None:
    vertices, faces = _ball()
    # One half in coarse triangles: as many points must fall on it.
    coarse_vertices, coarse_faces = _ball(2)
    upper = (vertices[faces][:, :, 2].mean(axis=1)) > 0
    lower = (coarse_vertices[coarse_faces][:, :, 2].mean(axis=1)) < 0
    mixed = np.concatenate([faces[upper], coarse_faces[lower] + len(vertices)])
    scan = Scan.of(80 * np.concatenate([vertices, coarse_vertices]), faces=mixed, count=5_000)
    _expect_well_formed(scan, 5_000)
    radii = np.linalg.norm(scan.points, axis=1)
    assert 75 < radii.min() < radii.max() < 80.001
    assert 0.47 < (scan.points[:, 2] > 0).mean() < 0.53
    for axis in range(3):
        # Archimedes: the heights of points spread evenly over a sphere are spread evenly.
        np.testing.assert_allclose(np.histogram(scan.points[:, axis], 8, (-80, 80))[0] / 5_000, 1 / 8, atol=0.03)
    inner = np.abs(scan.points[:, 2]) > 8
    assert _degrees(scan, scan.points / radii[:, None])[inner].max() < 8
    assert scan.spacing == pytest.approx(np.sqrt(4 * np.pi * 80**2 / 5_000), rel=0.1)


def test_mesh_turned_inside_out_and_clockwise_faces() -> None:
    vertices, faces = _ball(3)
    scan = Scan.of(vertices, faces=faces, count=500)
    turned = Scan.of(vertices, faces=faces[:, ::-1], count=500)
    for one in (scan, turned):
        assert _degrees(one, one.points / np.linalg.norm(one.points, axis=1, keepdims=True)).max() < 5
    given = Scan.of(vertices, -vertices, faces, count=500)
    np.testing.assert_allclose(given.normals, scan.normals, atol=0.05)


def test_folded_sheet_keeps_normals_of_its_faces() -> None:
    # Both sides of a square over the same vertices: the normals cancel at every vertex.
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]])
    scan = Scan.of(square, faces=faces, count=200)
    np.testing.assert_allclose(np.abs(scan.normals), np.tile([0, 0, 1], (200, 1)), atol=1e-6)


def test_triangles_without_area_get_no_points() -> None:
    vertices, faces = _ball(2)
    degenerate = np.repeat(np.arange(20), 3).reshape(-1, 3)
    both = np.concatenate([degenerate, faces, degenerate])
    np.testing.assert_array_equal(
        Scan.of(vertices, faces=both, count=300).points, Scan.of(vertices, faces=faces, count=300).points
    )


@pytest.mark.parametrize(("noise", "typical", "most"), [(0.0, 1.0, 2.0), (0.5, 5.0, 12.0)])
@pytest.mark.parametrize("centre", [(0, 0, 0), (500, -200, 900)])
def test_normals_of_a_cloud(noise: float, typical: float, most: float, centre: tuple[int, int, int]) -> None:
    directions = _directions(6_000)
    points = 80 * directions + noise * np.random.default_rng(1).normal(size=(6_000, 3)) + centre
    scan = Scan.of(points)
    _expect_well_formed(scan, 6_000)
    off = _degrees(scan, directions)
    assert np.median(off) < typical
    assert np.percentile(off, 99) < most


def test_every_separate_part_is_oriented() -> None:
    directions = _directions(2_000)
    centres = np.array([[0, 0, 0], [300, 0, 0], [0, 30, 250]])
    scan = Scan.of(np.concatenate([(60 - 15 * part) * directions + centre for part, centre in enumerate(centres)]))
    assert _degrees(scan, np.tile(directions, (3, 1))).max() < 20


def test_open_cap_is_oriented() -> None:
    directions = _directions(9_000)
    face = directions[(directions[:, 2] > 0.3) & (directions[:, 0] > -0.5)]
    scan = Scan.of(80 * face + [10, 20, 30])
    assert _degrees(scan, face).max() < 20


def test_flat_cloud_has_parallel_normals() -> None:
    rng = np.random.default_rng(0)
    scan = Scan.of(np.c_[rng.random((900, 2)), np.zeros(900)])
    np.testing.assert_allclose(scan.normals, np.tile(scan.normals[:1], (900, 1)), atol=1e-5)
    np.testing.assert_allclose(np.abs(scan.normals[0]), [0, 0, 1], atol=1e-5)


def test_clouds_keep_their_points_or_a_choice_of_them() -> None:
    directions = _directions(1_500)
    whole = Scan.of(directions, 7 * directions)
    np.testing.assert_array_equal(whole.points, directions.astype(np.float32))
    np.testing.assert_allclose(whole.normals, directions, atol=1e-6)
    some = Scan.of(directions, -directions, count=400)
    _expect_well_formed(some, 400)
    assert set(map(tuple, some.points)) <= set(map(tuple, directions.astype(np.float32)))
    np.testing.assert_allclose(some.normals, some.points, atol=1e-5)


def test_spacing_of_a_grid_and_repeated_points() -> None:
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0), [0]), axis=-1).reshape(-1, 3)
    assert Scan.of(2 * grid).spacing == pytest.approx(2, rel=0.05)
    twice = Scan.of(np.concatenate([2 * grid, 2 * grid]))
    _expect_well_formed(twice, 3_200)


def test_the_same_every_time_and_another_seed_is_another_choice() -> None:
    vertices, faces = _ball(3)
    for triangles in (faces, None):
        first, second = (Scan.of(vertices, faces=triangles, count=300, seed=4) for _ in range(2))
        for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
            np.testing.assert_array_equal(one, other)
        assert (Scan.of(vertices, faces=triangles, count=300, seed=5).points != first.points).any()


def test_stack() -> None:
    vertices, faces = _ball(3)
    scans = [Scan.of(vertices * size, faces=faces, count=300) for size in (1, 2)]
    stacked = stack_scans(scans)
    assert stacked.points.shape == (2, 300, 3)
    assert stacked.spacing.shape == (2,)
    together = jax.jit(jax.vmap(nearest))(
        stacked.index, stacked.points, stacked.points + np.float32(0.1) * stacked.normals
    )
    for number, scan in enumerate(scans):
        expected = _nearest(scan.index, scan.points, scan.points + np.float32(0.1) * scan.normals)
        np.testing.assert_array_equal(together[number], expected)
    with pytest.raises(InputError, match="have 200 to 300 points; make all with one count"):
        stack_scans([scans[0], Scan.of(vertices, faces=faces, count=200)])
    with pytest.raises(InputError, match="are none"):
        stack_scans([])


def _with(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.astype(float)
    changed[3] = value
    return changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": _with(_ball(3)[0], np.nan)}, "1 of its 642 points are not finite; remove them"),
        ({"points": _with(_ball(3)[0], 1e39)}, "1 of its 642 points are not finite; remove them"),
        ({"points": np.zeros((700, 3)), "faces": None}, "most of its points coincide"),
        ({"points": np.zeros((700, 3))}, "its faces have no area"),
        ({"points": _ball(3)[0][:99], "faces": None}, "99 points are too few"),
        ({"count": 99}, "99 points are too few for a scan; ask for at least 100"),
        ({"faces": np.array([[0, 1, 642]])}, "its faces point outside its 642 vertices"),
        ({"faces": np.array([[0, 1, -1]])}, "its faces point outside its 642 vertices"),
        ({"faces": np.zeros((0, 3), int)}, "its faces are 0 x 3"),
        ({"normals": _with(_ball(3)[0], 0)}, "1 of its 642 normals have no direction"),
        ({"normals": _with(_ball(3)[0], np.inf)}, "1 of its 642 normals have no direction"),
    ],
)
def test_what_cannot_be_a_scan_is_refused_by_name(changed: dict, message: str) -> None:
    vertices, faces = _ball(3)
    arguments = {"points": vertices, "normals": None, "faces": faces} | changed
    with pytest.raises(InputError, match=f"^head.ply: {message}") as caught:
        Scan.of(**arguments, source="head.ply")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not _SHARED.exists(), reason="FLAME 2023 Open's extract does not lie beside the project")
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_normals_of_a_head(noise: float) -> None:
    model = read_head_model(_SHARED).in_millimetres()
    # Without the eyeballs, which no scanner sees from behind.
    skin = model.faces[(model.faces < 3931).all(axis=1)]
    mesh = Scan.of(model.v_template, faces=skin)
    points = mesh.points + noise * np.random.default_rng(0).normal(size=mesh.points.shape)
    cloud = Scan.of(np.asarray(points))
    assert (_degrees(cloud, np.asarray(mesh.normals)) < 90).mean() > 0.965
    assert np.median(_degrees(cloud, np.asarray(mesh.normals))) < 4
    assert 2.5 < mesh.spacing < 3.5

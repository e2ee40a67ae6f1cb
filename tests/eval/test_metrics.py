"""Distances against shapes whose answers are known."""

import numpy as np
import pytest
import trimesh

from eval.metrics import errors_of_true, per_vertex_error, surface_errors
from fields.mesh import Mesh, submesh
from fields.sampling import sample_surface


def sphere(radius: float, subdivisions: int = 5) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, dtype=np.int64))


def plane(size: float, spacing: float, height: float = 0.0) -> Mesh:
    """An open square in x and y, facing +z."""
    steps = np.arange(-size, size + spacing / 2, spacing)
    n = len(steps)
    x, y = np.meshgrid(steps, steps, indexing="ij")
    first = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    faces = np.concatenate(
        [np.stack([first, first + n, first + n + 1], 1), np.stack([first, first + n + 1, first + 1], 1)]
    )
    return Mesh(np.stack([x.ravel(), y.ravel(), np.full(n * n, height)], 1), faces)


def everywhere(mesh: Mesh) -> np.ndarray:
    return np.ones(len(mesh.faces), dtype=bool)


def test_the_same_surface_has_no_error():
    mesh = sphere(80.0)
    for direction in vars(surface_errors(mesh, mesh, everywhere(mesh))).values():
        assert direction.mean_mm < 1e-4
        assert direction.within_2_mm_percent == 100.0
        assert direction.normal_consistency > 0.999


@pytest.mark.parametrize(("radius", "sign"), [(82.0, 1.0), (78.0, -1.0)])
def test_concentric_spheres(radius, sign):
    true = sphere(80.0)
    errors = surface_errors(sphere(radius), true, everywhere(true))
    for direction in (errors.true_to_predicted, errors.predicted_to_true):
        assert direction.samples == 20_000
        assert direction.mean_mm == pytest.approx(2.0, abs=0.03)  # an icosphere lies up to 0.03 mm inside its sphere
        assert direction.signed_mean_mm == pytest.approx(2.0 * sign, abs=0.03)
        assert direction.sd_mm < 0.03
        assert direction.rms_mm == pytest.approx(2.0, abs=0.03)
        assert direction.p95_mm == pytest.approx(2.0, abs=0.05)
        assert direction.within_2_5_mm_percent == 100.0
        assert direction.normal_consistency > 0.99


def test_shifted_plane_and_tolerances():
    true = plane(40.0, 2.0)
    errors = surface_errors(plane(80.0, 2.0, height=-2.2), true, everywhere(true)).true_to_predicted
    assert errors.signed_mean_mm == pytest.approx(-2.2, abs=1e-5)
    assert (errors.within_2_mm_percent, errors.within_2_5_mm_percent, errors.within_5_mm_percent) == (0.0, 100.0, 100.0)


def test_noise_of_known_spread():
    true, noise = plane(60.0, 4.0), np.random.default_rng(0)
    # Steps in height at flat tiles: each sample's distance is the tile's own height, for tiles far larger than it.
    heights = noise.normal(0.5, 1.0, size=(15, 15))
    tiles = [plane(4.0, 8.0, height) for height in heights.ravel()]
    centres = np.stack(np.meshgrid(np.arange(-56, 57, 8.0), np.arange(-56, 57, 8.0), indexing="ij"), -1).reshape(-1, 2)
    vertices = np.concatenate(
        [tile.vertices + np.append(centre, 0.0) for tile, centre in zip(tiles, centres, strict=True)]
    )
    faces = np.concatenate([tile.faces + 4 * index for index, tile in enumerate(tiles)])
    errors = surface_errors(Mesh(vertices, faces), true, everywhere(true)).predicted_to_true
    assert errors.signed_mean_mm == pytest.approx(heights.mean(), abs=1e-2)
    assert errors.sd_mm == pytest.approx(heights.std(), abs=1e-2)
    assert errors.mean_mm == pytest.approx(np.abs(heights).mean(), abs=1e-2)
    assert errors.rms_mm**2 == pytest.approx(errors.signed_mean_mm**2 + errors.sd_mm**2)
    assert errors.p95_mm == pytest.approx(np.percentile(np.abs(heights), 95), abs=0.1)


def test_a_prediction_of_one_half_is_punished_only_from_the_truth():
    true = sphere(80.0)
    half = submesh(true, true.vertices[:, 0] > 0.0)
    errors = surface_errors(half, true, everywhere(true))
    assert errors.predicted_to_true.mean_mm < 1e-4
    # Of the missing hemisphere, the point at angle a behind the rim is 2 r sin(a / 2) away from it.
    angle = np.linspace(0.0, np.pi / 2, 2001)
    expected = 0.5 * np.trapezoid(160.0 * np.sin(angle / 2) * np.cos(angle), angle)
    assert errors.true_to_predicted.mean_mm == pytest.approx(expected, rel=0.05)


def test_a_region_limits_both_directions():
    true = sphere(80.0)
    upper = true.vertices[true.faces].mean(axis=1)[:, 1] > 0.0
    moved = sphere(80.0)
    moved.vertices[moved.vertices[:, 1] < -5.0] *= 1.2
    errors = surface_errors(moved, true, upper)
    assert errors.true_to_predicted.mean_mm < 0.1
    assert errors.predicted_to_true.mean_mm < 0.1
    assert 0 < errors.predicted_to_true.samples <= 20_000
    assert surface_errors(moved, true, ~upper).true_to_predicted.mean_mm > 5.0


def test_what_lies_beyond_the_end_of_the_truth_is_not_scored():
    true = plane(40.0, 2.0)
    errors = surface_errors(plane(80.0, 2.0, height=1.0), true, everywhere(true)).predicted_to_true
    assert errors.mean_mm == pytest.approx(1.0, abs=1e-4)
    beside = plane(10.0, 2.0)
    beside.vertices[:] += [0.0, 90.0, 0.0]
    assert surface_errors(beside, true, everywhere(true)).predicted_to_true.samples == 0


def test_normal_consistency_of_tilted_planes():
    true, tilted = plane(20.0, 2.0), plane(100.0, 2.0)
    tilted.vertices[:, 2] = tilted.vertices[:, 0]
    errors = surface_errors(tilted, true, everywhere(true))
    assert errors.true_to_predicted.normal_consistency == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_nothing_is_aligned_and_distances_agree_with_an_independent_search():
    true = sphere(80.0, subdivisions=3)
    other = sphere(75.0, subdivisions=3)
    other.vertices[:] += [6.0, -3.0, 4.0]
    errors = errors_of_true(other, true, everywhere(true), count=400, seed=5)
    samples = sample_surface(true, 400, 5)
    np.testing.assert_array_equal(errors.points, samples.points)
    reference = trimesh.Trimesh(other.vertices, other.faces, process=False)
    _, distance, _ = trimesh.proximity.closest_point_naive(reference, samples.points)
    np.testing.assert_allclose(np.abs(errors.signed_mm), distance, atol=1e-4)
    inside = np.linalg.norm(samples.points - [6.0, -3.0, 4.0], axis=1) < 74.0
    assert (errors.signed_mm[inside] > 0.0).all()


def test_error_map():
    mesh = sphere(80.0, subdivisions=3)
    np.testing.assert_allclose(per_vertex_error(mesh, sphere(83.0)), 3.0, atol=0.05)
    np.testing.assert_allclose(per_vertex_error(mesh, sphere(77.0)), -3.0, atol=0.05)

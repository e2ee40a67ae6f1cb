from __future__ import annotations

import numpy as np
import pytest

from data.cleaning import clean, decimate, merge_vertices
from fields.mesh import Mesh
from tests.data_made import inside_out, joined, sphere, volume


def _soup(mesh: Mesh) -> Mesh:
    """Every triangle with vertices of its own, as in an STL."""
    return Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3))


@pytest.mark.parametrize("scale", [1.0, 0.001, 1000.0])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_soup_becomes_a_closed_surface(scale: float, noise: float) -> None:
    mesh = sphere(100.0 * scale, centre=(50.0 * scale, 0.0, 0.0))
    soup = _soup(mesh)
    soup = Mesh(soup.vertices + noise * scale * np.random.default_rng(0).normal(size=soup.vertices.shape), soup.faces)
    cleaned = clean(soup)
    assert len(cleaned.vertices) == len(mesh.vertices)
    assert len(cleaned.faces) == len(mesh.faces)
    assert volume(cleaned) == pytest.approx(volume(mesh), rel=1e-6)


def test_merging_keeps_the_order_of_first_appearance() -> None:
    mesh = sphere()
    merged = merge_vertices(mesh)
    np.testing.assert_array_equal(merged.vertices, mesh.vertices)
    np.testing.assert_array_equal(merged.faces, mesh.faces)


def test_degenerate_double_and_unused_go() -> None:
    mesh = sphere()
    extra = np.array([[0, 0, 1], [2, 2, 2], mesh.faces[5], mesh.faces[6][[1, 2, 0]], mesh.faces[7][::-1]])
    dirty = Mesh(
        np.concatenate([mesh.vertices, [[1e3, 0.0, 0.0]]]), np.concatenate([mesh.faces, extra]).astype(np.int32)
    )
    cleaned = clean(dirty)
    np.testing.assert_array_equal(cleaned.faces, mesh.faces)
    np.testing.assert_array_equal(cleaned.vertices, mesh.vertices)


def test_crumbs_go_and_the_mandible_stays() -> None:
    skull, mandible = sphere(), sphere(30.0, centre=(0, -150, 0))
    crumb = sphere(1.0, subdivisions=1, centre=(200, 0, 0))
    cleaned = clean(joined(crumb, skull, mandible))
    assert len(cleaned.faces) == len(skull.faces) + len(mandible.faces)
    assert cleaned.vertices[:, 0].max() < 150.0


def test_surface_is_not_moved() -> None:
    mesh = sphere()
    cleaned = clean(_soup(mesh))
    assert set(map(tuple, cleaned.vertices.tolist())) == set(map(tuple, mesh.vertices.tolist()))


def test_decimation_keeps_shape_and_size() -> None:
    mesh = sphere(0.1, subdivisions=5)  # metres
    fewer = decimate(mesh, 2000)
    assert 1900 <= len(fewer.faces) <= 2000
    assert volume(fewer) == pytest.approx(volume(mesh), rel=0.01)
    radius = np.linalg.norm(fewer.vertices, axis=1)
    np.testing.assert_allclose(radius, 0.1, rtol=0.01)
    assert decimate(mesh, 10**6) is mesh


def test_inside_out_surfaces_are_turned() -> None:
    assert volume(clean(inside_out(sphere()))) == pytest.approx(volume(sphere()))

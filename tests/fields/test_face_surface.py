"""Cuts are exact, closed along the plane, and leave one piece."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from data.prior import read_prior
from data.shipped import PRIOR
from fields.face_surface import face_surface, largest_component
from fields.mesh import Mesh
from tests.data_made import box, inside_out, joined, sphere


def _rim(mesh: Mesh) -> np.ndarray:
    """Vertices of edges that one triangle alone has, and a check that no edge has more than two."""
    edges = np.sort(np.concatenate([mesh.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() <= 2
    return np.unique(unique[counts == 1])


@pytest.mark.parametrize("height", [-60.3, 0.0, 31.0])
def test_a_ball_is_cut_where_its_formula_says(height: float) -> None:
    ball = sphere(100.0, subdivisions=4)
    cap = face_surface(ball, np.array([5.0, height, -7.0]))
    rim = _rim(cap)
    np.testing.assert_allclose(cap.vertices[rim, 1], height, atol=1e-9)
    assert cap.vertices[:, 1].min() >= height - 1e-9
    assert len(rim) > 50
    assert cap.face_areas().sum() == pytest.approx(2 * np.pi * 100.0 * (100.0 - height), rel=5e-3)
    # Wound as before, no vertex unused, no triangle without area.
    assert (np.einsum("fd,fd->f", cap.face_normals(), cap.vertices[cap.faces].mean(axis=1)) > 0.0).all()
    np.testing.assert_array_equal(np.unique(cap.faces), np.arange(len(cap.vertices)))
    assert cap.face_areas().min() > 0.0
    assert trimesh.Trimesh(cap.vertices, cap.faces, process=False).euler_number == 1


def test_both_sides_of_any_plane_add_up() -> None:
    brick, rng = box(subdivisions=2), np.random.default_rng(0)
    for _ in range(5):
        point, normal = rng.uniform(-40.0, 40.0, 3), rng.normal(size=3)
        parts = [face_surface(brick, point, sign * normal) for sign in (1.0, -1.0)]
        assert sum(part.face_areas().sum() for part in parts) == pytest.approx(brick.face_areas().sum(), rel=1e-9)
        for part in parts:
            np.testing.assert_allclose((part.vertices[_rim(part)] - point) @ normal, 0.0, atol=1e-9)


def test_vertices_on_the_plane_are_kept_and_no_slivers_are_made() -> None:
    # The box has rows of vertices at these heights; one is moved off by less than a hair.
    brick = box((100.0, 100.0, 100.0), subdivisions=2)
    vertices = brick.vertices + 0.005 * np.sin(np.arange(len(brick.vertices)))[:, None]
    half = face_surface(Mesh(vertices, brick.faces), np.zeros(3))
    np.testing.assert_allclose(half.vertices[_rim(half), 1], 0.0, atol=1e-12)
    assert half.face_areas().min() > 100.0
    assert half.face_areas().sum() == pytest.approx(100.0**2 + 4 * 100.0 * 50.0, rel=1e-3)


def test_what_is_cut_off_and_what_lies_apart_goes() -> None:
    ball = sphere(50.0)
    crumb, hollow = sphere(5.0, centre=(80, 30, 0)), inside_out(sphere(20.0))
    kept = face_surface(joined(crumb, hollow, ball), np.array([0.0, -70.0, 0.0]))
    np.testing.assert_array_equal(kept.vertices, ball.vertices)
    # Two horns that only what lies below the plane holds together.
    horns = sphere(50.0, subdivisions=4)
    raised = horns.vertices.copy()
    raised[:, 1] += 0.02 * np.abs(raised[:, 0]) ** 2 + 0.2 * raised[:, 0]
    horn = face_surface(Mesh(raised, horns.faces), np.array([0.0, 55.0, 0.0]))
    assert horn.vertices[:, 0].min() > 0.0


def test_the_prior_s_head_ends_in_a_clean_edge() -> None:
    head = read_prior(PRIOR).head_mesh()
    face = face_surface(head, np.array([0.0, -90.0, 0.0]))
    rim = _rim(face)
    np.testing.assert_allclose(face.vertices[rim, 1], -90.0, atol=1e-9)
    above = head.vertices[head.vertices[:, 1] > -90.0 + 0.02]
    assert np.isin(above[:, 1], face.vertices[:, 1]).all()
    assert trimesh.Trimesh(face.vertices, face.faces, process=False).euler_number == 1


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(ValueError, match="no surface is left"):
        face_surface(sphere(10.0), np.array([0.0, 20.0, 0.0]))
    with pytest.raises(ValueError, match="normal has no length"):
        face_surface(sphere(10.0), np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="no surface is left"):
        largest_component(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int32)))

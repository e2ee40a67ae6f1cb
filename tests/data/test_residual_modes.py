"""Residual modes of the shipped head: beside what it has, on the face, and as large as they should be."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from data.face_region import face_triangles
from data.prior import AnatomyPrior
from data.residual_modes import FADE_MM, with_residual_modes
from tests.skulls_made import shipped_prior

COUNT = 40


@functools.cache
def widened() -> AnatomyPrior:
    return with_residual_modes(shipped_prior(), COUNT)


@functools.cache
def face_areas() -> np.ndarray:
    """Of the mean head's face, a third of each triangle to each corner."""
    head = shipped_prior().head_mesh()
    face = face_triangles(head, shipped_prior().landmark_points())
    areas = np.zeros(len(head.vertices))
    for corner in head.faces[face].T:
        np.add.at(areas, corner, head.face_areas()[face] / 3.0)
    return areas


def own() -> np.ndarray:
    return shipped_prior().head.shapedirs.astype(np.float64)


def added() -> np.ndarray:
    return widened().head.shapedirs[:, :, own().shape[2] :].astype(np.float64)


def on_face(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Inner products of modes over the face, by area."""
    return np.einsum("v,vdk,vdl->kl", face_areas(), one, other)


def test_the_head_s_own_modes_stay() -> None:
    assert widened().head.shapedirs.shape == (*own().shape[:2], own().shape[2] + COUNT)
    np.testing.assert_array_equal(widened().head.shapedirs[:, :, : own().shape[2]], shipped_prior().head.shapedirs)
    assert with_residual_modes(shipped_prior(), 0) is shipped_prior()


def test_they_say_nothing_that_the_head_can_say() -> None:
    lengths = np.sqrt(np.outer(np.diag(on_face(own(), own())), np.diag(on_face(added(), added()))))
    assert np.abs(on_face(own(), added()) / lengths).max() < 1e-4
    # Nor one what the other says; the first says most.
    gram = on_face(added(), added())
    sizes = np.diag(gram)
    assert np.abs(gram - np.diag(sizes)).max() < 1e-4 * sizes.max()
    assert (np.diff(sizes) < 1e-4 * sizes.max()).all()


def test_they_are_as_large_as_what_a_head_model_leaves_over() -> None:
    normals, areas = shipped_prior().head_mesh().vertex_normals(), face_areas()
    along = np.einsum("vdk,vd->vk", added(), normals)
    sd = np.sqrt((areas @ along**2).sum() / areas.sum())
    assert sd == pytest.approx(0.96, abs=0.02)


def test_they_fade_beyond_the_face() -> None:
    vertices = shipped_prior().head_mesh().vertices
    face = vertices[face_areas() > 0.0]
    gap = np.array([np.linalg.norm(face - vertex, axis=1).min() for vertex in vertices])
    size = np.linalg.norm(added(), axis=(1, 2))
    on = size[gap == 0.0].mean()
    assert (gap > 2.0 * FADE_MM).sum() > 1_000
    assert size[gap > 2.0 * FADE_MM].max() < 5e-3 * on
    assert size[np.abs(gap - FADE_MM) < 1.0].mean() == pytest.approx(0.64 * on, abs=0.1 * on)
    # Where the head's own modes are not counted, taking out what they say leaves more than was there.
    assert size[np.abs(gap - 0.5 * FADE_MM) < 1.0].mean() == pytest.approx(1.3 * on, abs=0.1 * on)


def test_they_are_smooth() -> None:
    """From one vertex to the next a mode changes by a few hundredths of what it is."""
    faces = shipped_prior().head.faces
    head = shipped_prior().head_mesh()
    face = face_triangles(head, shipped_prior().landmark_points())
    ends = faces[face][:, :2]
    change = np.linalg.norm(added()[ends[:, 0]] - added()[ends[:, 1]], axis=(1, 2))
    length = np.linalg.norm(head.vertices[ends[:, 0]] - head.vertices[ends[:, 1]], axis=1)
    size = np.sqrt((np.linalg.norm(added(), axis=(1, 2)) ** 2 @ face_areas()) / face_areas().sum())
    assert np.median(change / length) < 0.15 * size


def test_they_are_the_same_every_time() -> None:
    again = with_residual_modes(shipped_prior(), COUNT).head.shapedirs
    np.testing.assert_array_equal(again, widened().head.shapedirs)
    # Fewer are the first of these.
    few = with_residual_modes(shipped_prior(), 4).head.shapedirs
    np.testing.assert_allclose(few, widened().head.shapedirs[:, :, : few.shape[2]], atol=1e-5)

"""Errors averaged over subjects whose errors are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eval.evaluation import SubjectSurfaces
from eval.face_errors import TrueFace
from eval.mean_errors import mean_errors
from fields.mesh import Mesh
from tests.skulls_made import shipped_prior


def turned(degrees: float, shift: tuple[float, float, float]) -> np.ndarray:
    """A rigid transform about x."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    transform = np.eye(4)
    transform[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    transform[:3, 3] = shift
    return transform


def subject(outside_mm: float, transform: np.ndarray | None = None, *, shuffled: bool = False) -> SubjectSurfaces:
    """The mean head predicted so far outside, but where its sides are: there twice as far."""
    prior = shipped_prior()
    head = prior.head_mesh()
    if shuffled:
        head = Mesh(head.vertices, np.random.default_rng(0).permutation(head.faces))
    truth = TrueFace.of(head, prior.landmark_points(), transform)
    normals = truth.head.vertex_normals()
    far = np.where(np.abs(head.vertices[:, :1]) > 40.0, 2.0, 1.0)
    predicted = Mesh(truth.head.vertices + outside_mm * far * normals, truth.head.faces)
    return SubjectSurfaces(truth, predicted, prior.skull)


@pytest.mark.parametrize("shuffled", [False, True], ids=["one topology", "several"])
def test_means_are_those_of_the_subjects_wherever_they_lie(shuffled: bool) -> None:
    head = shipped_prior().head_mesh()
    both = [subject(0.3, turned(10.0, (5.0, -8.0, 2.0))), subject(-0.9, shuffled=shuffled)]
    found = mean_errors(both, shipped_prior())
    assert found.subjects == 2
    np.testing.assert_allclose(found.head.vertices, head.vertices, atol=1e-4)
    scored = np.isfinite(found.distance_mm)
    np.testing.assert_array_equal(scored, np.isfinite(found.signed_mm))
    # Points on smooth skin: at the lips and the nostrils another part of the prediction is closer.
    middle = scored & (np.abs(head.vertices[:, 0]) < 35.0)
    sides = scored & (np.abs(head.vertices[:, 0]) > 45.0)
    for where, times in ((middle, 1.0), (sides, 2.0)):
        assert where.sum() > 200
        assert np.median(found.distance_mm[where]) == pytest.approx(0.6 * times, abs=0.02)
        assert np.median(found.signed_mm[where]) == pytest.approx(-0.3 * times, abs=0.02)
    assert (found.distance_mm[scored] >= np.abs(found.signed_mm[scored]) - 1e-9).all()


def test_what_is_not_scored_has_no_mean() -> None:
    prior = shipped_prior()
    whole = subject(1.0)
    head = whole.truth.head
    left = head.vertices[head.faces].mean(axis=1)[:, 0] > 0.0
    half = dataclasses.replace(whole, truth=dataclasses.replace(whole.truth, triangles=whole.truth.triangles & left))
    right = head.vertices[:, 0] < -3.0
    assert np.isfinite(mean_errors([whole, half], prior).distance_mm[right]).any()
    assert not np.isfinite(mean_errors([whole, half, half], prior).distance_mm[right]).any()
    assert np.isnan(mean_errors([whole], prior).distance_mm[head.vertices[:, 2] < 0.0]).all()


def test_another_size_of_head_is_met_at_the_same_place() -> None:
    """A head 5 % larger, of another order of triangles: its landmarks say where the mean head's places are."""
    prior = shipped_prior()
    larger = np.diag([1.05, 1.05, 1.05, 1.0])
    plain = subject(0.0, shuffled=True)
    head = plain.truth.head.transformed(larger)
    landmarks = {name: 1.05 * point for name, point in prior.landmark_points().items()}
    truth = TrueFace.of(head, landmarks)
    up = head.vertices[:, 1] > 1.05 * prior.landmark_points()["n"][1]
    normals = head.vertex_normals()
    predicted = Mesh(head.vertices + np.where(up, 1.0, 0.2)[:, None] * normals, head.faces)
    found = mean_errors([SubjectSurfaces(truth, predicted, prior.skull), subject(0.0)], prior)
    scored = np.isfinite(found.distance_mm)
    height = found.head.vertices[:, 1] - prior.landmark_points()["n"][1]
    assert np.median(found.distance_mm[scored & (height > 3.0)]) == pytest.approx(0.5, abs=0.03)
    assert np.median(found.distance_mm[scored & (height < -3.0)]) == pytest.approx(0.1, abs=0.03)

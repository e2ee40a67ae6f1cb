"""Errors over a face and its parts, against shapes whose answers are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eval.face_errors import FACE, TrueFace, face_errors, vertex_errors_of_prediction
from eval.regions import SUB_REGIONS, region_faces
from fields.mesh import Mesh, transform_points
from tests.data_made import sphere
from tests.skulls_made import case, pose, shipped_prior


def ball(radius: float) -> TrueFace:
    """All of a sphere, of which the prior's landmarks make parts."""
    mesh = sphere(radius, subdivisions=5)
    return TrueFace(mesh, np.ones(len(mesh.faces), dtype=bool), shipped_prior().landmark_points(), np.eye(4))


@pytest.mark.parametrize(("radius", "sign"), [(83.0, 1.0), (77.0, -1.0)])
def test_concentric_spheres(radius: float, sign: float) -> None:
    errors = face_errors(sphere(radius, subdivisions=5), ball(80.0))
    for way in (errors.whole.true_to_predicted, errors.whole.predicted_to_true):
        assert way.mean_mm == pytest.approx(3.0, abs=0.03)
        assert way.signed_mean_mm == pytest.approx(3.0 * sign, abs=0.03)
    assert errors.mean_mm() == errors.mean_mm(FACE) == errors.whole.true_to_predicted.mean_mm
    assert set(errors.parts) == {rule.name for rule in SUB_REGIONS}
    for name in errors.parts:
        assert errors.mean_mm(name) == pytest.approx(3.0, abs=0.05)


def test_parts_are_all_of_the_face() -> None:
    errors = face_errors(sphere(82.0), ball(80.0), count=1_000)
    assert sum(part.samples for part in errors.parts.values()) == 1_000


def test_only_the_face_counts() -> None:
    made = case(0)
    truth = TrueFace.of(made.head, made.landmarks)
    behind = made.head.vertices.copy()
    behind[behind[:, 2] < 0.0] += [0.0, 40.0, -40.0]
    errors = face_errors(Mesh(behind, made.head.faces), truth)
    assert errors.mean_mm() < 1e-3


def test_a_pose_changes_nothing() -> None:
    """The face is told in the true head frame, wherever an aligner puts it."""
    made, placed = case(0), pose(1)
    nearby = Mesh(made.head.vertices + 1.5 * made.head.vertex_normals(), made.head.faces)
    at_home = face_errors(nearby, TrueFace.of(made.head, made.landmarks))
    moved = TrueFace.of(made.head, made.landmarks, placed)
    away = face_errors(nearby.transformed(placed), moved)
    np.testing.assert_array_equal(moved.triangles, region_faces(made.head, "face", made.landmarks))
    assert away.mean_mm() == pytest.approx(at_home.mean_mm(), abs=2e-3)
    for name, part in at_home.parts.items():
        assert away.parts[name].samples == pytest.approx(part.samples, abs=5)
        assert away.mean_mm(name) == pytest.approx(part.mean_mm, abs=0.01)


def test_parts_are_found_from_where_predictions_lie() -> None:
    made, placed = case(0), pose(1)
    tip = made.head.vertices[np.argmax(made.head.vertices[:, 2])]
    truth = TrueFace.of(made.head, made.landmarks, placed)
    masks = truth.parts(transform_points(placed, tip)[None])
    assert [name for name, mask in masks.items() if mask[0]] == ["nose"]


@pytest.mark.parametrize("radius", [78.0, 82.0])
def test_on_the_prediction_too_errors_are_positive_outside(radius: float) -> None:
    whole = ball(80.0)
    upper = whole.head.vertices[whole.head.faces].mean(axis=1)[:, 1] > 0.0
    predicted = sphere(radius)
    errors = vertex_errors_of_prediction(predicted, dataclasses.replace(whole, triangles=upper))
    scored = np.isfinite(errors)
    np.testing.assert_allclose(errors[scored], radius - 80.0, atol=0.1)
    assert scored[predicted.vertices[:, 1] > 2.0].all()
    assert not scored[predicted.vertices[:, 1] < -2.0].any()

"""Faces by a field: what each representation is, how sure it is said to be, and draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import s2f.skull_reading
from data.prior import read_prior
from data.shipped import PRIOR, PRIOR_ICT
from eval.field.scores import Reconstruct
from fields.distance import DistanceScene
from fields.latent import POSE
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.errors import InputError
from s2f.face_spread import carried, spread_by_region, spread_of_head
from s2f.field_face import FieldFace, FieldFaces, draws
from s2f.field_method import FieldMethod
from s2f.neck import neck_cap, neck_cut
from s2f.skull_reading import read_skull
from tests.data_made import joined, sphere
from tests.fields_made import TINY, tiny_model
from tests.held_out_made import held_out_case
from tests.skulls_made import alignment, case, shipped_prior

SEED = 1
POINTS = 2_048


@pytest.fixture(scope="module")
def faces() -> FieldFaces:
    return FieldFaces(tiny_model(), POINTS)


@pytest.fixture(scope="module")
def skull() -> Mesh:
    return case(SEED).skull.transformed(alignment(SEED).T_head_skull)


@pytest.fixture(scope="module")
def hybrid(faces: FieldFaces, skull: Mesh) -> FieldFace:
    return faces.face(skull, samples=2)


@pytest.fixture(scope="module")
def implicit(faces: FieldFaces, skull: Mesh) -> FieldFace:
    return faces.face(skull, representation="implicit")


@pytest.fixture(scope="module")
def parametric(faces: FieldFaces, skull: Mesh) -> FieldFace:
    return faces.face(skull, representation="parametric", samples=1)


def test_hybrid_has_the_heads_topology_and_the_fields_surface(hybrid, parametric):
    mesh, met = hybrid.surface.mesh, hybrid.surface.met
    np.testing.assert_array_equal(mesh.faces, shipped_prior().head.faces)
    assert met > 0.97
    point, normal = neck_cut(mesh.vertices, neck_cap(shipped_prior().head_mesh()))
    above = (mesh.vertices - point) @ normal > 0.0
    off = np.abs(hybrid.distances(mesh.vertices[above]))
    assert np.median(off) < 0.05
    assert off.mean() < 0.1
    assert np.abs(hybrid.distances(parametric.surface.mesh.vertices[above])).mean() > 3.0 * off.mean()


def test_a_whole_skull_is_read_so_that_other_points_hardly_move_the_face(faces, skull, monkeypatch):
    def moved() -> float:
        readings = [read_skull(faces.model, skull, points=POINTS, fullness=None, seed=seed) for seed in (0, 1)]
        heads = [faces.model.head(np.asarray(reading.posterior.mean)) for reading in readings]
        return float(np.linalg.norm(heads[1] - heads[0], axis=1).mean())

    whole = moved()
    monkeypatch.setattr(s2f.skull_reading, "_CANDIDATES", POINTS)
    assert whole < 0.4 * moved(), "as many readings as there are points for, not one"


def test_what_is_spread_between_open_lips_follows_them(faces, skull):
    reading = read_skull(faces.model, skull, points=POINTS, fullness=None)
    latent = np.asarray(reading.posterior.mean).copy()
    latent[-POSE] = 2.0
    head = faces.model.head(latent)
    surface = faces.surface(reading, latent, "hybrid")
    away = np.linalg.norm(surface.mesh.vertices - head, axis=1)
    latent[-POSE] = 0.0
    opened = np.linalg.norm(head - faces.model.head(latent), axis=1)
    lips = (opened > 2.0) & (np.abs(head[:, 0]) < 25.0) & (head[:, 2] > 70.0)
    assert lips.sum() > 100
    # The field has something like a tongue there, some millimetres in front.
    assert away[lips].max() < 3.0


def test_implicit_lies_on_the_field_and_ends_at_the_neck(implicit, hybrid):
    mesh = implicit.surface.mesh
    off = np.abs(implicit.distances(mesh.vertices))
    assert off.mean() < 0.02
    assert off.max() < 0.6
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    rim = mesh.vertices[np.unique(unique[count == 1])]
    # All that is open is one plane at the bottom.
    centre = rim.mean(axis=0)
    normal = np.linalg.svd(rim - centre)[2][2]
    assert np.abs((rim - centre) @ normal).max() < 0.05
    assert rim[:, 1].max() < alignment(SEED).bent_landmarks["gn"][1]
    assert 0.005 < implicit.surface.asked / 256**3 < 0.05
    marks = alignment(SEED).bent_landmarks
    assert abs(_face_sd(implicit, marks) - _face_sd(hybrid, marks)) < 0.05 * _face_sd(hybrid, marks)


def _face_sd(face: FieldFace, marks: dict[str, np.ndarray]) -> float:
    return spread_by_region(face.surface.mesh, face.sd_mm, marks)["face"]["sd_mm"]


def test_parametric_is_the_head_models_alone(faces, parametric):
    code = parametric.latent.copy()
    residual = slice(len(code) - POSE - TINY.residual_modes, len(code) - POSE)
    assert np.abs(code[residual]).max() > 0.0
    code[residual] = 0.0
    np.testing.assert_allclose(parametric.surface.mesh.vertices, faces.model.head(code), atol=1e-4)
    assert parametric.surface.asked == 0


def test_the_spread_is_that_of_draws(faces, skull):
    reading = read_skull(faces.model, skull, points=POINTS, fullness=None)
    latent = np.asarray(reading.posterior.mean)
    head = Mesh(faces.model.head(latent), faces.faces)
    normals = head.vertex_normals()
    sd = spread_of_head(faces.model.prior, reading.posterior, latent, normals)
    some = slice(None, None, 40)
    off = [
        np.einsum("vd,vd->v", faces.model.head(code)[some] - head.vertices[some], normals[some])
        for code in draws(reading, 400, 0)
    ]
    # Draws whose jaw would be more than shut are shut, so they spread a little less.
    ratio = np.std(off, axis=0) / sd[some]
    assert 0.85 < np.median(ratio) < 1.1
    assert (np.abs(ratio - 1.0) < 0.3).mean() > 0.97


def test_the_temperature_widens_the_spread(faces, hybrid, skull):
    warmer = dataclasses.replace(faces.model, temperature=2.0 * faces.model.temperature)
    other = FieldFaces(warmer, POINTS).face(skull, representation="parametric")
    np.testing.assert_allclose(other.latent_sd, 2.0 * hybrid.latent_sd, rtol=1e-4)


def test_draws_are_seeded_and_differ(faces, hybrid, skull):
    again = faces.face(skull, samples=1)
    np.testing.assert_array_equal(again.samples[0].vertices, hybrid.samples[0].vertices)
    assert np.abs(hybrid.samples[0].vertices - hybrid.samples[1].vertices).mean() > 0.5
    off = np.linalg.norm(hybrid.samples[0].vertices - hybrid.surface.mesh.vertices, axis=1)
    assert 0.3 < np.median(off / hybrid.sd_mm) < 3.0


def test_fullness_unknown_is_not_the_mean(faces, skull):
    heads = [faces.face(skull, fullness=told, representation="parametric") for told in (None, 0.0, 1.0)]
    assert [head.fullness for head in heads] == [None, 0.0, 1.0]
    assert np.abs(heads[2].latent - heads[1].latent).max() > 0.2


def test_what_lies_far_away_is_not_read(faces, skull, parametric):
    table = sphere(100.0, centre=(0.0, -500.0, 0.0))
    face = faces.face(joined(skull, table), representation="parametric")
    # Other points are drawn, no fewer of the skull.
    assert np.abs(face.surface.mesh.vertices - parametric.surface.mesh.vertices).mean() < 0.4
    with pytest.raises(InputError, match="no bone lies where"):
        faces.face(table)


def test_a_skull_of_few_triangles_fills_a_reading(faces, skull):
    chip = sphere(3.0, centre=tuple(np.asarray(faces.model.prior.anchors.points)[0]))
    reading = read_skull(faces.model, chip, points=100_000, fullness=None)
    assert np.isfinite(reading.posterior.mean).all()


def test_values_are_carried_to_the_closest_points():
    head = sphere(100.0)
    other = sphere(101.0, subdivisions=4)
    values = carried(head.vertices[:, 1], head, other)
    np.testing.assert_allclose(values, other.vertices[:, 1], atol=3.0)


def test_regions_without_landmarks_have_no_spread(hybrid):
    assert spread_by_region(hybrid.surface.mesh, hybrid.sd_mm, {}) == {}
    by_region = spread_by_region(hybrid.surface.mesh, hybrid.sd_mm, alignment(SEED).bent_landmarks)
    assert {"face", "nose", "lips", "cheeks"} <= set(by_region)
    assert by_region["face"]["half_90_mm"] > by_region["face"]["sd_mm"] > 0.0


@pytest.mark.parametrize("file", [PRIOR, PRIOR_ICT])
def test_the_neck_is_cut_above_its_cap(file):
    prior = read_prior(file)
    cap = neck_cap(prior.head_mesh())
    assert len(cap) > 100
    for seed in range(3):
        betas = np.random.default_rng(seed).normal(size=(prior.head.shapedirs.shape[2],))
        head = prior.head_mesh(betas)
        point, normal = neck_cut(head.vertices, cap)
        assert ((head.vertices[cap] - point) @ normal).max() < -4.0
        assert (prior.landmark_points()["me"] - point) @ normal > 5.0


def test_what_is_round_has_no_cap():
    assert len(neck_cap(sphere(100.0, subdivisions=4))) == 0


def test_the_field_is_a_method_that_is_scored(faces):
    method = FieldMethod(faces, "parametric", samples=1)
    assert isinstance(method, Reconstruct)
    made = held_out_case(SEED)
    assert made.placed is not None
    predicted = method(made.placed, 0.5)
    assert predicted.spread() is predicted.sd_mm
    assert len(predicted.samples) == 1
    points = sample_surface(predicted.mesh, 500, 0).points
    assert DistanceScene(made.head).distance(points).mean() < 8.0

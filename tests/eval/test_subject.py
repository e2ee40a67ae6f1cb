"""Subjects of pairs: frames, units, masks and landmarks, with a record and without."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import eval.subject
from data.mesh_files import write_mesh
from data.pairs.folders import Pair
from eval.subject import make_subject, read_pair
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError
from tests.evaluation_made import mean_case, write_told_pair
from tests.skulls_made import alignment, case, pose, shipped_prior


def test_a_recorded_pair_lies_in_the_true_head_frame(tmp_path: Path) -> None:
    prior, T_input_head = shipped_prior(), pose(3)
    subject = read_pair(write_told_pair(tmp_path / "a", mean_case(), T_input_head, fullness=0.7), prior)
    assert (subject.name, subject.fullness, subject.alignment, subject.notes) == ("a", 0.7, None, ())
    np.testing.assert_allclose(subject.truth.head.vertices, prior.head_mesh().vertices, atol=1e-3)
    np.testing.assert_allclose(subject.T_input_mm_head, T_input_head, atol=1e-6)
    np.testing.assert_allclose(subject.T_head_input @ subject.T_input_mm_head, np.eye(4), atol=1e-6)
    depths = dict(zip(prior.control_names, prior.depths, strict=True))
    # Lines start at landmarks, which lie within a fraction of a millimetre of the controls that carry the depths.
    for name, depth in zip(subject.rays.names, subject.rays.depth_mm, strict=True):
        assert depth == pytest.approx(depths[name], abs=1.5), name


def test_without_a_record_the_aligner_places_it_in_whatever_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Mesh] = []

    def aligned(skull: Mesh, *args: object, **options: object) -> object:
        given.append(skull)
        return alignment(0)

    monkeypatch.setattr(eval.subject, "align_skull", aligned)
    pair = Pair(tmp_path, tmp_path / "skull.ply", tmp_path / "face.ply")
    to_metres = np.diag([1e-3, 1e-3, 1e-3, 1.0])
    write_mesh(pair.skull, case(0).skull.transformed(to_metres))
    write_mesh(pair.face, case(0).head.transformed(to_metres))
    subject = read_pair(pair, shipped_prior())
    assert given[0].diagonal() == pytest.approx(case(0).skull.diagonal(), rel=1e-3)
    assert subject.mm_per_unit == 1000.0
    T_head_skull = alignment(0).T_head_skull
    np.testing.assert_allclose(subject.T_head_input, T_head_skull @ np.diag([1e3, 1e3, 1e3, 1.0]), atol=1e-6)
    expected = case(0).head.transformed(T_head_skull)
    assert subject.truth.head.vertices.mean(axis=0) == pytest.approx(expected.vertices.mean(axis=0), abs=0.01)
    assert subject.alignment is alignment(0)
    assert set(subject.rays.names) <= set(alignment(0).landmarks)


def test_a_mask_beside_the_pair_is_obeyed_in_its_own_frame(tmp_path: Path) -> None:
    prior, T_input_head = shipped_prior(), pose(4)
    pair = write_told_pair(tmp_path / "a", mean_case(), T_input_head)
    whole = read_pair(pair, prior)
    pogonion = dict(zip(whole.rays.names, whole.rays.skin, strict=True))["pg"]
    centre = transform_points(T_input_head, pogonion[None])[0].tolist()
    (pair.folder / "mask.json").write_text(json.dumps({"spheres_mm": [{"centre": centre, "radius": 25.0}]}))
    masked = read_pair(pair, prior)
    away = whole.truth.triangles & ~masked.truth.triangles
    centroids = whole.truth.head.vertices[whole.truth.head.faces].mean(axis=1)
    np.testing.assert_array_equal(away, whole.truth.triangles & (np.linalg.norm(centroids - pogonion, axis=1) <= 25.0))
    assert masked.masked_area_mm2 == pytest.approx(whole.truth.head.face_areas()[away].sum())
    assert set(whole.rays.names) - set(masked.rays.names) >= {"pg"}
    (pair.folder / "mask.json").write_text(json.dumps({"spheres_mm": [{"centre": centre, "radius": 900.0}]}))
    with pytest.raises(InputError, match="its mask leaves nothing"):
        read_pair(pair, prior)


def test_a_face_turned_inside_out_is_refused(tmp_path: Path) -> None:
    prior = shipped_prior()
    pair = write_told_pair(tmp_path / "a", mean_case(), np.eye(4))
    write_mesh(pair.face, Mesh(prior.head_mesh().vertices, prior.head.faces[:, ::-1]))
    with pytest.raises(InputError, match=r"skull\.ply: nothing of the true face"):
        read_pair(pair, prior)


def test_regions_without_bone_are_guessed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = alignment(0)
    chinless = {name: point for name, point in found.landmarks.items() if name not in ("me", "pg")}
    fewer = dataclasses.replace(found, landmarks=chinless)
    monkeypatch.setattr(eval.subject, "align_skull", lambda *args, **options: fewer)
    subject = make_subject("a", case(0).skull, case(0).head, shipped_prior(), source="a.ply")
    assert "me" in subject.truth.landmarks
    assert not {"me", "pg"} & set(subject.rays.names)
    assert any("without bone at me, pg" in note for note in subject.notes)

"""A case as files and as points for a network: one truth."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data.cohort.pair_files import PairMaker, case_name
from data.cohort.severities import Severities
from data.landmarks import MANDIBULAR, abbreviation_of
from data.mesh_files import read_mesh
from data.pairs.folders import find_pairs
from data.pairs.record import read_record
from eval.skull_record import read_skull_record
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from tests.cohort_made import SEED, maker, observed

DAMAGE = Severities.all(1.0).with_kinds({"jaw_open": 2.0, "decimation": 0.0})
"""Decimation is done to files alone: what it takes away, points still show."""
CASES = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Damaged pairs."""
    place = tmp_path_factory.mktemp("pairs")
    for number in CASES:
        damaged().write(place, number)
    return place


@functools.cache
def damaged() -> PairMaker:
    return maker(DAMAGE)


@pytest.mark.parametrize("number", CASES)
def test_points_and_distances_are_the_files(folder: Path, number: int) -> None:
    case = folder / case_name(number)
    record = read_record(case / "record.json")
    assert record.T_head_input_aligned is not None
    T_input_aligned = np.linalg.inv(record.T_head_input_aligned)
    sample = observed(damaged().case(number))
    valid = np.asarray(sample.skull_valid)
    assert valid.sum() > 200
    bone = transform_points(T_input_aligned, np.asarray(sample.skull_points, np.float64)[valid])
    assert DistanceScene(read_mesh(case / "skull.ply")).distance(bone).max() < 0.1
    queries = transform_points(T_input_aligned, np.asarray(sample.queries, np.float64))
    there = DistanceScene(read_mesh(case / "face.ply")).signed_distance(queries)
    np.testing.assert_allclose(np.asarray(sample.distances), there, atol=2e-3)
    assert np.linalg.norm(np.asarray(sample.skull_normals)[valid], axis=1) == pytest.approx(1.0, abs=1e-3)
    # What is told of the person is the same too.
    assert record.fullness == pytest.approx(float(sample.fullness))
    assert record.betas is not None
    np.testing.assert_allclose(record.betas, np.asarray(sample.betas), atol=1e-6)
    depths = list((record.depths or {}).values())
    np.testing.assert_allclose(depths, np.asarray(sample.deviations)[: len(depths)], rtol=1e-5)


def test_records_place_the_landmarks_on_the_skull(folder: Path) -> None:
    """The pair's record reads as the record of a reconstructed skull does: `s2f compare --skull`."""
    whole = maker(Severities.all(0.0))
    whole.write(folder / "whole", 0)
    case = folder / "whole" / case_name(0)
    record = read_skull_record(case / "record.json")
    skull = read_mesh(case / "skull.ply").transformed(record.T_head_input)
    points = np.stack(list(record.landmarks.values()))
    assert len(points) == 40
    assert DistanceScene(skull).distance(points).max() < 0.5
    menton, nasion = record.landmarks["me"], record.landmarks["n"]
    assert nasion[1] - menton[1] == pytest.approx(110.0, abs=25.0)


def test_landmarks_of_an_open_jaw_go_with_it() -> None:
    opened = maker(Severities.all(0.0).with_kinds({"jaw_open": 50.0}))
    case = opened.case(0)
    assert float(case.person.opening) > 0.2
    own = np.asarray(case.body.skeleton, np.float64)[: len(opened.prior.skull.vertices)]
    shut = opened.prior.landmark_points(Mesh(own, opened.prior.skull.faces))
    moved = opened.landmarks(case)
    for name, point in shut.items():
        distance = np.linalg.norm(moved[name] - point)
        assert (distance > 2.0) == (abbreviation_of(name) in MANDIBULAR), name


def test_faces_are_closed_and_told_apart_by_the_seed(folder: Path, tmp_path: Path) -> None:
    pairs = find_pairs(folder)
    assert len(pairs) == len(CASES)
    faces = [read_mesh(pair.face) for pair in pairs]
    for face in faces:
        assert trimesh.Trimesh(face.vertices, face.faces, process=False).is_watertight
    maker(DAMAGE, SEED + 1).write(tmp_path, CASES[0])
    other = read_mesh(tmp_path / case_name(CASES[0]) / "face.ply")
    assert np.abs(other.vertices - faces[0].vertices).max() > 1.0


def test_a_case_that_is_there_is_left_alone(folder: Path) -> None:
    record = folder / case_name(CASES[0]) / "record.json"
    before = record.stat().st_mtime_ns
    damaged().write(folder, CASES[0])
    assert record.stat().st_mtime_ns == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert json.loads(record.read_text())["damage"]

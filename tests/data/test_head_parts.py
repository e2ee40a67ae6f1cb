"""Skin and eyeballs among a head model's parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.head_parts import HeadParts, head_parts
from fields.mesh import Mesh
from flame_jax.model_file import read_head_model
from tests.data_made import box, joined, sphere

SHARED = Path(__file__).parents[3] / "shared" / "data"
FLAME_OPEN = SHARED / "flame2023open" / "flame2023open_identity60.npz"
FACEKIT = SHARED / "ict_facekit" / "ict_facekit.npz"
LEFT, RIGHT = (32.0, 20.0, 80.0), (-32.0, 20.0, 80.0)
SKIN = sphere(100.0, subdivisions=4)
TEETH = box((50.0, 20.0, 30.0), subdivisions=4)
"""Many triangles, but no ball."""


def moved(mesh: Mesh, by: tuple[float, float, float]) -> Mesh:
    return Mesh(mesh.vertices + np.array(by), mesh.faces)


def part_sizes(parts: HeadParts) -> list[list[int]]:
    return [[len(faces) for faces in eye] for eye in parts.eyes]


def test_a_ball_in_a_ball_is_one_eye_and_teeth_are_none():
    inner, outer = sphere(11.0, subdivisions=2, centre=LEFT), sphere(12.0, subdivisions=3, centre=LEFT)
    mesh = joined(TEETH, sphere(12.0, subdivisions=2, centre=RIGHT), SKIN, outer, inner)
    parts = head_parts(mesh)
    assert len(parts.skin) == len(SKIN.faces)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices[np.unique(parts.skin)], axis=1), 100.0)
    assert part_sizes(parts) == [[len(outer.faces), len(inner.faces)], [len(inner.faces)]]
    centres = parts.eye_centres(mesh.vertices)
    assert centres is not None
    np.testing.assert_allclose(centres, [LEFT, RIGHT], atol=1e-6)
    assert len(parts.outside()) == len(SKIN.faces) + len(outer.faces) + 2 * len(inner.faces)


@pytest.mark.parametrize(
    "other",
    [
        box((9.0, 40.0, 24.0), subdivisions=3),  # too flat
        sphere(6.0),  # too small
    ],
    ids=["flat", "small"],
)
def test_what_is_no_eye(other):
    mesh = joined(SKIN, moved(other, LEFT), moved(other, RIGHT))
    parts = head_parts(mesh)
    assert part_sizes(parts) == [[], []]
    assert parts.eye_centres(mesh.vertices) is None


def test_both_eyes_are_needed_and_neither_lies_in_the_middle():
    one = joined(SKIN, sphere(12.0, centre=LEFT), sphere(12.0, centre=(3.0, 20.0, 80.0)))
    parts = head_parts(one)
    assert [len(eye) for eye in parts.eyes] == [1, 0]
    assert parts.eye_centres(one.vertices) is None


@pytest.mark.parametrize(
    ("path", "balls", "first"), [(FLAME_OPEN, 1, 3931), (FACEKIT, 2, 21451)], ids=["FLAME 2023 Open", "ICT-FaceKit"]
)
def test_real_head_models(path, balls, first):
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    model = read_head_model(path).in_millimetres()
    mesh = Mesh(model.v_template.astype(np.float64), model.faces)
    parts = head_parts(mesh)
    assert [len(eye) for eye in parts.eyes] == [balls, balls]
    for eye in parts.eyes:
        assert np.concatenate(eye).min() >= first
    centres = parts.eye_centres(mesh.vertices)
    assert centres is not None
    np.testing.assert_allclose(centres[0] * [-1, 1, 1], centres[1], atol=2.0)
    assert 55.0 < centres[0, 0] - centres[1, 0] < 70.0
    assert parts.skin.max() < first

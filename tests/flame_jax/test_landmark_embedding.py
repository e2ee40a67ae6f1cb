"""Landmark embeddings: points of a model, and the contour that follows the turn."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax.errors import InputError
from flame_jax.landmark_embedding import (
    IBUG_GROUPS,
    ContourEmbedding,
    LandmarkEmbedding,
    LandmarkEmbeddings,
    turn_of,
)
from flame_jax.model import HeadModel, surface_basis
from tests.flame_made import flame_parts
from tests.landmarks_made import (
    landmark_parts,
)

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"
_MEDIAPIPE = ("lmk_face_idx", "lmk_b_coords", "landmark_indices")


def _model(vertex_count: int = 42) -> HeadModel:
    parts = flame_parts(vertex_count)
    return HeadModel(parts["v_template"], parts["shapedirs"], parts["f"].astype(np.int32), name="made")


def test_rows_of_the_contour_by_turn() -> None:
    parts = landmark_parts()
    contour = ContourEmbedding(parts["dynamic_lmk_faces_idx"], parts["dynamic_lmk_bary_coords"])
    turns = np.array([0.0, 0.4, 1.0, 38.6, 39.0, 75.0, -0.4, -0.6, -1.0, -39.0, -39.4, -80.0])
    expected = [0, 0, 1, 39, 39, 39, 0, 40, 40, 78, 78, 78]
    np.testing.assert_array_equal(contour.rows(turns), expected)
    np.testing.assert_array_equal(jax.jit(contour.rows)(turns.reshape(3, 4)), np.reshape(expected, (3, 4)))
    assert sorted(np.asarray(contour.rows(np.arange(-39.0, 40.0)))) == list(range(79))
    np.testing.assert_array_equal(contour.at(-2.0).face_idx, parts["dynamic_lmk_faces_idx"][41])
    np.testing.assert_array_equal(contour.at(-2.0).b_coords, parts["dynamic_lmk_bary_coords"][41])


def test_sixty_eight_are_the_contour_then_the_inner_points() -> None:
    parts = landmark_parts()
    static = LandmarkEmbedding(parts["static_lmk_faces_idx"], parts["static_lmk_bary_coords"])
    contour = ContourEmbedding(parts["dynamic_lmk_faces_idx"], parts["dynamic_lmk_bary_coords"])
    both = LandmarkEmbeddings(static=static, contour=contour).sixty_eight(3.0)
    np.testing.assert_array_equal(both.face_idx[:17], parts["dynamic_lmk_faces_idx"][3])
    np.testing.assert_array_equal(both.face_idx[17:], parts["static_lmk_faces_idx"])
    assert [i for group in IBUG_GROUPS.values() for i in group] == list(range(68))
    with pytest.raises(InputError, match="need a static and a contour embedding"):
        LandmarkEmbeddings(static=static).sixty_eight(0.0)


def test_turn_of_a_rotation() -> None:
    angles = np.array([[0.0, 0, 0], [0, 30, 0], [0, -30, 0], [20, 30, 0], [10, 15, -25], [0, 89, 0]])
    matrices = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    np.testing.assert_allclose(turn_of(matrices), angles[:, 1], atol=2e-4)
    # To the subject's left, +x: the nose, forward at z, gets a positive x.
    assert (matrices[1] @ [0, 0, 1])[0] > 0
    assert turn_of(jnp.asarray(matrices).reshape(2, 3, 3, 3)).shape == (2, 3)
    # smplx sees heads with y down, half a turn about x, and there takes the negative.
    upside_down = Rotation.from_euler("x", 180, degrees=True).as_matrix() @ matrices[1]
    np.testing.assert_allclose(-turn_of(upside_down), 30, atol=2e-4)


def test_corners_of_a_model_and_of_a_wrong_one() -> None:
    model = _model()
    parts = landmark_parts(len(model.faces))
    embedding = LandmarkEmbedding(parts["lmk_face_idx"], parts["lmk_b_coords"], name="mediapipe")
    corners = embedding.corners(model)
    points = np.einsum("lc,lcd->ld", embedding.b_coords, model.v_template[corners])
    np.testing.assert_allclose(points, surface_basis(model, embedding.face_idx, embedding.b_coords).mean, atol=1e-12)
    contour = ContourEmbedding(parts["dynamic_lmk_faces_idx"], parts["dynamic_lmk_bary_coords"], name="turning")
    np.testing.assert_array_equal(contour.corners(model)[78, 16], model.faces[contour.face_idx[78, 16]])
    smaller = _model(20)
    for unfit, name in ((embedding, "mediapipe"), (contour, "turning")):
        with pytest.raises(InputError, match=f"'{name}' has a landmark in triangle 39, but head model 'made' has 18"):
            unfit.corners(smaller)

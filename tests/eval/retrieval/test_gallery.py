"""Galleries: heads lie where the whole skull puts them, and are drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eval.retrieval.gallery
from data.cohort.variants import TRAIN
from data.face_region import face_triangles
from data.jaw_opening import read_jaw_opening
from data.shipped import JAW_OPEN
from eval.cohort.people import draw_people
from eval.retrieval.gallery import POINTS, face_places, make_gallery, of_heads
from flame_jax.errors import InputError
from tests.cohort_made import SEED, train_generator, train_people
from tests.gallery_made import made_gallery
from tests.skeleton_made import shipped_skeleton
from tests.skulls_made import shipped_prior


def test_places_are_on_the_face() -> None:
    prior, places = shipped_prior(), face_places(shipped_prior())
    assert len(places.points) == POINTS
    assert face_triangles(prior.head_mesh(), prior.landmark_points())[places.face_ids].all()
    head = train_people().head(3)
    np.testing.assert_allclose(made_gallery().face_of(head), made_gallery().faces[3], atol=1e-4)


def test_few_points_of_a_skull_tell_its_frame() -> None:
    """Against people drawn with their whole skulls."""
    prior = shipped_prior()
    few = draw_people(prior, of_heads(train_generator().anatomy), 3, seed=SEED, first=1, covered=False)
    gap = np.linalg.norm(few.heads - train_people().heads[1:4], axis=2)
    assert gap.max() < 0.5
    assert gap.mean() < 0.15
    assert np.isfinite(few.skulls).all()


def test_faces_are_drawn_once_and_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eval.retrieval.gallery, "_PART", 2)
    monkeypatch.setattr(eval.retrieval.gallery, "make_skeleton", lambda _: shipped_skeleton())
    monkeypatch.setattr(eval.retrieval.gallery, "make_anatomy", lambda *_: train_generator().anatomy)
    prior = shipped_prior()
    arguments = (prior, TRAIN, read_jaw_opening(JAW_OPEN, prior))
    said: list[str] = []
    first = make_gallery(*arguments, 3, tmp_path, said.append)
    assert said == ["drawing faces 0 to 2", "drawing faces 2 to 4"]
    assert first.faces.shape == (3, POINTS, 3)
    assert np.abs(first.faces[1] - first.faces[2]).max() > 1.0
    again = make_gallery(*arguments, 1, tmp_path, said.append)
    assert len(said) == 2
    np.testing.assert_array_equal(again.faces, first.faces[:1])
    (tmp_path / next(tmp_path.iterdir()).name / "0000.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged; remove it"):
        make_gallery(*arguments, 1, tmp_path)

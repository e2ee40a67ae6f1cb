"""The linear reference: points are matched between priors, people are kept, and a skull's pose does not matter."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

import eval.regression.training_people
from data.cohort.variants import TRAIN
from data.jaw_opening import read_jaw_opening
from data.prior import AnatomyPrior, read_prior
from data.shipped import JAW_OPEN, PRIOR_ICT
from eval.regression.linear_reference import LinearReference
from eval.regression.skull_correspondence import corresponding
from eval.regression.training_people import TrainingPeople, training_people
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.cohort_made import PEOPLE, train_generator, train_people
from tests.skeleton_made import shipped_skeleton
from tests.skulls_made import pose, shipped_prior


@functools.cache
def ict_prior() -> AnatomyPrior:
    return read_prior(PRIOR_ICT)


@functools.cache
def people() -> TrainingPeople:
    drawn, own = train_people(), len(shipped_prior().skull.vertices)
    points = np.arange(0, own, 40)
    cranium = np.asarray(train_generator().anatomy.cranium)[:own]
    return TrainingPeople(points, drawn.skulls[:, points], drawn.heads, drawn.fullness, cranium)


@functools.cache
def reference() -> LinearReference:
    """Trained and tested with one prior."""
    return LinearReference.train(people(), shipped_prior(), shipped_prior())


def test_a_prior_corresponds_to_itself() -> None:
    prior = shipped_prior()
    np.testing.assert_allclose(corresponding(prior, prior).points, prior.skull.vertices, atol=1e-3)


def test_there_and_back_between_priors() -> None:
    here, there = shipped_prior(), ict_prior()
    over, back = corresponding(here, there), corresponding(there, here)
    # The point over there, by its triangle's corners, and where those lie here.
    home = np.einsum("pc,pcd->pd", over.barycentric, back.points[there.skull.faces[over.face_ids]])
    gap = np.linalg.norm(home - here.skull.vertices, axis=1)
    assert np.mean(gap) < 0.25
    assert np.percentile(gap, 99) < 1.2


def test_other_skulls_are_refused() -> None:
    skull = shipped_prior().skull
    bumps = 5.0 * np.sign(np.sin(skull.vertices.sum(axis=1) / 4.0))
    bumpy = Mesh(skull.vertices + bumps[:, None] * skull.vertex_normals(), skull.faces)
    with pytest.raises(InputError, match="do not come from one template"):
        corresponding(shipped_prior(), dataclasses.replace(shipped_prior(), skull=bumpy))


def test_the_frame_is_the_generators() -> None:
    """People lie in the head frame already, by the rigid fit that the generator does."""
    drawn = train_people()
    for person in range(3):
        np.testing.assert_allclose(reference().T_head_skull(drawn.skull(person)), np.eye(4), atol=2e-3)


def test_a_skulls_pose_does_not_matter() -> None:
    skull, moved = train_people().skull(0), pose(3)
    for fullness in (None, 1.0):
        at_home, away = (reference().predict(each, fullness) for each in (skull, skull.transformed(moved)))
        np.testing.assert_allclose(away.vertices, at_home.transformed(moved).vertices, atol=1e-3)
    mean = reference().mean_head_on(skull.transformed(moved))
    np.testing.assert_allclose(mean.vertices, reference().mean_head.transformed(moved).vertices, atol=0.5)


def test_training_people_are_found_better_than_by_their_mean() -> None:
    drawn = train_people()
    own, mean = (
        np.mean([np.linalg.norm(head(n).vertices - drawn.heads[n], axis=1).mean() for n in range(PEOPLE)])
        for head in (lambda n: reference().predict(drawn.skull(n)), lambda n: reference().mean_head)
    )
    assert own < 0.8 * mean


def test_the_fullness_that_is_told_matters() -> None:
    skull = train_people().skull(0)
    thin, full = (reference().predict(skull, fullness).vertices for fullness in (-2.0, 2.0))
    assert np.linalg.norm(full - thin, axis=1).max() > 0.5


def test_people_are_drawn_once_and_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eval.regression.training_people, "_PART", 2)
    monkeypatch.setattr(eval.regression.training_people, "make_skeleton", lambda _: shipped_skeleton())
    monkeypatch.setattr(eval.regression.training_people, "make_anatomy", lambda *_: train_generator().anatomy)
    prior = shipped_prior()
    said: list[str] = []
    arguments = (prior, TRAIN, read_jaw_opening(JAW_OPEN, prior))
    first = training_people(*arguments, 2, tmp_path, said.append)
    assert len(said) == 1
    monkeypatch.setattr(eval.regression.training_people, "make_anatomy", lambda *_: pytest.fail("drawn again"))
    again = training_people(*arguments, 1, tmp_path, said.append)
    assert (len(first), len(again), len(said)) == (2, 1, 1)
    np.testing.assert_array_equal(again.heads, first.heads[:1])
    np.testing.assert_array_equal(again.points, first.points)
    assert first.cranium.sum() == pytest.approx(1.0, abs=1e-4)
    (file,) = tmp_path.glob("*/0000.npz")
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged; remove it"):
        training_people(*arguments, 1, tmp_path)

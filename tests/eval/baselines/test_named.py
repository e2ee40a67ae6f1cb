"""Every baseline by its name on made cases, and what each must know of the people that it learned from."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from eval.baselines.named import BASELINES, Learning, check_baselines, make_baseline
from eval.field.scores import Reconstruct, score_cases, true_face
from flame_jax.errors import InputError
from tests.cohort_made import train_people
from tests.eval.regression.test_linear_reference import people
from tests.eval.regression.test_skull_registration import person, without_its_left
from tests.held_out_made import held_out_case
from tests.skulls_made import shipped_prior


@functools.cache
def learning() -> Learning:
    return Learning(shipped_prior(), people)


@functools.cache
def made(name: str) -> Reconstruct:
    return make_baseline(name, learning())


def head_error(name: str, number: int) -> float:
    """Mean distance of a training person's predicted from the true head, vertex by vertex, mm."""
    head = made(name)(person(number), None).mesh
    return float(np.linalg.norm(head.vertices - train_people().heads[number], axis=1).mean())


def test_unknown_names_are_told() -> None:
    check_baselines(BASELINES)
    with pytest.raises(InputError, match="farthest is no baseline; there are mean-head, classic, ridge, pls, nearest"):
        check_baselines(["ridge", "farthest"])
    with pytest.raises(InputError, match="no baseline"):
        make_baseline("farthest", learning())


def test_people_are_not_drawn_for_what_learns_nothing() -> None:
    make_baseline("classic", Learning(shipped_prior(), lambda: pytest.fail("drawn")))


@pytest.mark.parametrize("name", BASELINES)
def test_a_registered_skull_gets_a_face(name: str) -> None:
    case = held_out_case(0)
    error = score_cases(made(name), [case])[0].errors.mean_mm()
    assert 0.3 < error < 8.0
    assert true_face(case).triangles.any()


@pytest.mark.parametrize("number", [0, 5])
def test_the_nearest_to_a_training_person_is_that_person(number: int) -> None:
    assert head_error("nearest", number) < 0.05


@pytest.mark.parametrize("name", ["ridge", "pls"])
def test_training_people_are_found_better_than_by_their_mean(name: str) -> None:
    own, mean = (np.mean([head_error(which, number) for number in range(5)]) for which in (name, "mean-head"))
    assert own < 0.8 * mean


@pytest.mark.parametrize("name", ["ridge", "pls"])
def test_missing_bone_does_not_move_the_face_far(name: str) -> None:
    whole = made(name)(person(2), None).mesh.vertices
    broken = made(name)(without_its_left(2, beyond_mm=40.0, stray_mm=40.0), None).mesh.vertices
    mean = made("mean-head")(person(2), None).mesh.vertices
    assert np.linalg.norm(broken - whole, axis=1).mean() < 0.7 * np.linalg.norm(mean - whole, axis=1).mean()

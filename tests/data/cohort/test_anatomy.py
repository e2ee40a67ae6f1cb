"""People of the cohort: what is drawn is what is measured, bone stays under skin, and mouths open with their jaws."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.anatomy import Body, Person, body_of, deviations_of, draw_person, rigid_fit
from data.cohort.case import case_key
from fields.mesh import transform_points
from tests.cohort_made import PEOPLE, SEED, train_generator, train_people
from tests.skulls_made import pose

_body = jax.jit(body_of)


def person(number: int = 0, opening: float = 0.0, fullness: float | None = None) -> Person:
    """Somebody; with a fullness if it is given."""
    return draw_person(
        case_key(SEED, number),
        train_generator().anatomy,
        fullness_mean=jnp.asarray(0.0 if fullness is None else fullness),
        fullness_sd=jnp.asarray(1.0 if fullness is None else 0.0),
        opening=jnp.asarray(opening),
    )


@functools.cache
def body(number: int = 0, opening: float = 0.0) -> Body:
    return jax.tree.map(np.asarray, _body(train_generator().anatomy, person(number, opening)))


def test_people_depend_on_their_number_alone() -> None:
    people = train_people()
    for number in (0, 3):
        np.testing.assert_allclose(body(number).head, people.heads[number], atol=1e-3)
        np.testing.assert_allclose(body(number).skeleton[: people.skulls.shape[1]], people.skulls[number], atol=1e-3)
    apart = np.abs(people.skulls[1:] - people.skulls[:-1]).max(axis=(1, 2))
    assert (apart > 2.0).all()


def test_the_head_is_the_models_rigidly_moved() -> None:
    anatomy, one = train_generator().anatomy, body()
    model = np.asarray(anatomy.head) + np.asarray(anatomy.head_modes) @ np.asarray(person().betas)
    np.testing.assert_allclose(one.head, transform_points(np.asarray(one.T_head_model), model), atol=1e-3)


def test_the_head_frame_is_the_skulls() -> None:
    """The cranium lies over the mean one with no turn or shift left."""
    anatomy = train_generator().anatomy
    left = np.asarray(rigid_fit(body().skeleton, anatomy.rest, anatomy.cranium))
    np.testing.assert_allclose(left, np.eye(4), atol=1e-3)


def test_a_rigid_motion_is_found_back() -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.normal(0.0, 50.0, (40, 3)), rng.uniform(0.0, 1.0, 40)
    motion = pose(3)
    found = np.asarray(rigid_fit(points, transform_points(motion, points), weights / weights.sum()))
    np.testing.assert_allclose(found, motion, atol=2e-3)


def test_fullness_given_is_fullness_had() -> None:
    assert float(person(fullness=1.5).fullness) == pytest.approx(1.5)
    assert float(person(0).fullness) != pytest.approx(float(person(1).fullness), abs=1e-3)


def test_depths_are_lognormal_with_the_mean_and_deviation_wanted() -> None:
    anatomy = train_generator().anatomy
    scores = np.random.default_rng(0).normal(size=(20_000, len(anatomy.mean)))
    drawn = np.asarray(jax.vmap(deviations_of, in_axes=(None, 0))(anatomy, jnp.asarray(scores, jnp.float32)))
    mean, spread = np.asarray(anatomy.mean), np.asarray(anatomy.spread)
    depths = mean > 0.0
    assert (drawn[:, depths] > 0.0).all()
    np.testing.assert_allclose(drawn.mean(axis=0)[depths], mean[depths], rtol=0.03)
    sd = mean[depths] * np.sqrt(np.expm1(spread[depths] ** 2))
    np.testing.assert_allclose(drawn.std(axis=0)[depths], sd, rtol=0.1)
    np.testing.assert_allclose(drawn.std(axis=0)[~depths], spread[~depths], rtol=0.05)


def test_tissue_alone_hardly_moves_the_bones() -> None:
    """The causality of the cohort: more tissue moves the skin, where a depth says so, and not the skull."""
    anatomy, one = train_generator().anatomy, person()
    shift = 0.5 * np.asarray(anatomy.law.fullness)
    fuller = dataclasses.replace(
        one, tissue_betas=one.tissue_betas + shift, scores=one.scores + np.asarray(anatomy.law.seen) @ shift
    )
    before, after = body(), _body(anatomy, fuller)
    # In the frame of the head model, since the skull's own would hide that the whole skull moved.
    skin, bone = (
        np.linalg.norm(
            transform_points(np.linalg.inv(np.asarray(after.T_head_model)), np.asarray(there))
            - transform_points(np.linalg.inv(np.asarray(before.T_head_model)), np.asarray(here)),
            axis=1,
        )
        for here, there in ((before.head, after.head), (before.skeleton, after.skeleton))
    )
    assert skin.max() > 1.0
    assert bone.mean() < 0.35 * skin.mean()


def test_an_open_mouth_moves_the_mandible_and_leaves_the_rest() -> None:
    shut, opened = body(), body(0, 1.0)
    is_jaw = np.asarray(train_generator().anatomy.is_jaw)
    skeleton, transform = np.asarray(opened.skeleton), np.asarray(opened.T_open_closed)
    # Skin presses where the mouth opens, so bone under it may give way a little.
    assert np.percentile(np.linalg.norm(skeleton - shut.skeleton, axis=1), 99) < 0.5
    np.testing.assert_allclose(shut.T_open_closed, np.eye(4), atol=1e-3)
    angle = np.degrees(np.arccos((np.trace(transform[:3, :3]) - 1.0) / 2.0))
    assert 15.0 < angle < 35.0
    drop = skeleton[is_jaw][:, 1] - transform_points(transform, skeleton[is_jaw])[:, 1]
    chin = skeleton[is_jaw][:, 1].argmin()
    assert drop[chin] > 15.0
    assert np.abs(opened.head[:, 1] - shut.head[:, 1]).max() > 20.0


def test_all_are_counted() -> None:
    assert len(train_people()) == PEOPLE
    assert train_people().fullness.std() == pytest.approx(1.0, abs=0.4)

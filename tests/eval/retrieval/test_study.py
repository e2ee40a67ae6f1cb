"""Retrieval with known answers: the truth comes first, a constant where chance puts it, distances are open3d's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from eval.bootstrap import Estimate
from eval.field.scores import Prediction
from eval.held_out.case import HeldOutCase
from eval.retrieval.face_search import ALIGNED, AS_IT_LIES, COEFFICIENTS, MEASURES, distances_to
from eval.retrieval.report import ranks_to_draw, retrieval_dict, retrieval_markdown, retrieval_tables
from eval.retrieval.study import Retrieval, found_within, predicting, ranks_in_galleries, retrieve
from fields.distance import DistanceScene
from fields.face_surface import face_surface
from fields.head_to_field import SampledField
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.gallery_made import made_gallery, made_search
from tests.held_out_made import held_out_case, refused_case
from tests.skulls_made import pose, shipped_prior


def nudged(mesh: Mesh) -> Mesh:
    """Turned by 4° and moved by 7 mm."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(np.radians([2.0, -2.0, 2.8])).as_matrix()
    transform[:3, 3] = [3.0, -4.0, 5.0]
    return mesh.transformed(transform)


def truth(case: HeldOutCase) -> Mesh:
    return case.head


def test_ranks_by_hand() -> None:
    values = np.array([1.0, 0.0, 2.0, 1.0, 3.0])
    np.testing.assert_array_equal(ranks_in_galleries(values, 5), [2.5])
    np.testing.assert_array_equal(ranks_in_galleries(values, 3), [2.0, 1.5])
    np.testing.assert_array_equal(ranks_in_galleries(values, 2), [2.0, 1.0, 1.5, 1.0])
    np.testing.assert_array_equal(ranks_in_galleries(values * [np.nan, 1, 1, 1, 1], 3), [np.nan, np.nan])
    with pytest.raises(ValueError, match="too few for galleries of 6"):
        ranks_in_galleries(values, 6)


def test_the_truth_comes_first_by_every_measure() -> None:
    case = held_out_case(0)
    study = retrieve({"truth": truth, "moved": lambda one: nudged(one.head)}, [case], made_search(), (21, 5))
    assert study.probes == [0]
    for measure in MEASURES:
        np.testing.assert_array_equal(study.ranks["truth"][measure][21], [[1.0]])
        np.testing.assert_array_equal(study.ranks["truth"][measure][5], np.ones((1, 5)))
    # What is moved is found by its shape all the same.
    for measure in (ALIGNED, COEFFICIENTS):
        assert study.ranks["moved"][measure][21] == 1.0


def test_distances_are_open3ds() -> None:
    gallery, prior = made_gallery(), shipped_prior()
    head = held_out_case(0).head
    low = prior.landmark_points()["me"] - [0.0, 30.0, 0.0]
    for predicted in (prior.head_mesh(), face_surface(prior.head_mesh(), low)):
        found = made_search().unlikeness(predicted, head)[AS_IT_LIES]
        faces = np.concatenate([gallery.face_of(head)[None], gallery.faces])
        exact = DistanceScene(predicted).distance(faces.astype(np.float64)).mean(axis=1)
        np.testing.assert_allclose(found, exact, atol=0.05)
    assert exact.std() > 0.3
    signed = distances_to(prior.head_mesh())(gallery.faces[0].astype(np.float64))
    reference = DistanceScene(prior.head_mesh()).signed_distance(gallery.faces[0].astype(np.float64))
    np.testing.assert_allclose(signed, reference, atol=1e-3)


def test_aligning_takes_away_what_a_pose_adds() -> None:
    head = held_out_case(0).head
    here, there = (made_search().unlikeness(each, head) for each in (head, nudged(head)))
    assert here[AS_IT_LIES][0] < 0.1
    assert there[AS_IT_LIES][0] > 2.0
    assert there[ALIGNED][0] < 0.1
    np.testing.assert_allclose(there[ALIGNED], here[ALIGNED], atol=0.1)
    assert (here[ALIGNED] <= here[AS_IT_LIES] + 0.05).all()


def test_a_constant_prediction_is_chance() -> None:
    """Each of 20 people takes another place in the order, so that their mean rank is the middle one."""
    found = made_search().unlikeness(shipped_prior().head_mesh(), held_out_case(0).head)
    for values in found.values():
        people = values[1:]
        ranks = [ranks_in_galleries(np.r_[people[n], np.delete(people, n)], len(people)) for n in range(len(people))]
        assert np.mean(ranks) == pytest.approx(0.5 * (len(people) + 1))
        assert sorted(np.concatenate(ranks)) == pytest.approx(range(1, len(people) + 1))


def test_coefficients_come_back_from_points_and_surfaces() -> None:
    prior, finder = shipped_prior(), made_search().coefficients
    betas = np.asarray(np.random.default_rng(4).standard_normal(prior.head.shapedirs.shape[2]))
    head = prior.head_mesh(betas)
    moved = made_gallery().places.on(head.transformed(pose(3)))
    from_points = finder.of_points(moved[None])[0]
    # Not all: some modes show elsewhere on the head.
    assert np.corrcoef(from_points, betas)[0, 1] > 0.9
    field = SampledField.of(distances_to(nudged(head)), *made_search().box, 2.0)
    assert np.corrcoef(finder.of_surface(field), betas)[0, 1] > 0.8


def test_what_is_refused_is_not_found() -> None:
    def refusing(case: HeldOutCase) -> Mesh:
        raise InputError("no face")

    study = retrieve({"refusing": refusing}, [held_out_case(0)], made_search(), (21,))
    assert all(np.isnan(ranks[21]).all() for ranks in study.ranks["refusing"].values())
    with pytest.raises(InputError, match="not a skull"):
        predicting(lambda placed, fullness: Prediction(shipped_prior().head_mesh()), np.eye(4))(refused_case(1))


def test_a_method_is_carried_to_the_gallery() -> None:
    shift = np.eye(4)
    shift[:3, 3] = [1.0, 2.0, 3.0]
    mean = shipped_prior().head_mesh()
    predict = predicting(lambda placed, fullness: Prediction(mean), shift)
    np.testing.assert_allclose(predict(held_out_case(0)).vertices, mean.transformed(shift).vertices)


def test_the_report() -> None:
    ranks = {size: np.tile(np.array([[1.0], [4.0], [9.0], [np.nan]]), (1, 20 // size)) for size in (10, 20)}
    study = Retrieval([0, 1, 2, 3], {"own": dict.fromkeys(MEASURES, ranks)})
    assert found_within(ranks[10], 5).value == pytest.approx(200.0 / 3.0)
    small, large = retrieval_tables(study)
    assert small.title == "Among 10 faces"
    assert small.rows[0][:5] == ("chance", "", 10.0, 50.0, 100.0)
    assert large.rows[0][2] == 5.0
    assert isinstance(small.rows[1][2], Estimate)
    assert small.rows[1][2].value == pytest.approx(100.0 / 3.0)
    assert "after aligning the faces" in retrieval_markdown(study)
    plain = json.loads(json.dumps(retrieval_dict(study), allow_nan=False))
    assert plain["mean_ranks"]["own"][ALIGNED]["20"] == [1.0, 4.0, 9.0, None]
    drawn = ranks_to_draw(study)
    assert list(drawn) == [10, 20]
    np.testing.assert_array_equal(drawn[10]["own"], ranks[10])

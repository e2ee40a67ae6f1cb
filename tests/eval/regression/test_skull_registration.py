"""Registered skulls among training people: what is known comes back, what is missing is what the rest makes likely."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from data.jaw import Jaw
from eval.held_out.case import Placed
from eval.regression.skull_registration import SkullRegistration
from fields.mesh import Mesh, submesh, transform_points
from tests.cohort_made import train_people
from tests.eval.regression.test_linear_reference import people
from tests.held_out_made import held_out_case
from tests.skulls_made import pose, shipped_prior


@functools.cache
def registration() -> SkullRegistration:
    return SkullRegistration.of(people(), shipped_prior())


def person(number: int) -> Placed:
    """A training person whose skull the aligner found without any error."""
    skull = train_people().skull(number)
    found = held_out_case(0).placed
    assert found is not None
    shut = Jaw(np.eye(4), 0.0, True)
    alignment = dataclasses.replace(found.alignment, bent_skull=skull, jaw=shut, scale=1.0)
    return Placed(np.eye(4), skull, alignment)


def own_points(number: int) -> np.ndarray:
    return people().skulls[number]


def miss(points: np.ndarray, number: int) -> float:
    return float(np.linalg.norm(points - own_points(number), axis=1).mean())


def test_a_training_person_comes_back_in_any_pose() -> None:
    for number in (0, 3):
        placed = person(number)
        mean = miss(people().skulls.mean(axis=0), number)
        found = registration()(placed)
        np.testing.assert_allclose(found.T_people_aligned, np.eye(4), atol=2e-3)
        assert miss(found.points, number) < 0.15 * mean
        turned = pose(number)
        moved = dataclasses.replace(
            placed,
            skull=placed.skull.transformed(turned),
            alignment=dataclasses.replace(placed.alignment, bent_skull=placed.alignment.bent_skull.transformed(turned)),
        )
        away = registration()(moved)
        np.testing.assert_allclose(away.points, found.points, atol=1e-3)
        head = shipped_prior().head_mesh()
        np.testing.assert_allclose(away.aligned(head).vertices, head.transformed(turned).vertices, atol=0.5)


def test_an_open_jaw_is_shut() -> None:
    """Told at the template's size, which the aligner found to be another than the skull's."""
    placed, scale = person(1), 1.1
    opened = np.eye(4)
    opened[:3, :3] = [[1.0, 0.0, 0.0], [0.0, 0.96, 0.28], [0.0, -0.28, 0.96]]
    opened[:3, 3] = [0.0, -10.0, 5.0]
    at_size = opened.copy()
    at_size[:3, 3] *= scale
    skull, is_jaw = placed.skull, registration().is_jaw
    stands = np.where(is_jaw[:, None], transform_points(at_size, skull.vertices), skull.vertices)
    mesh = Mesh(stands, skull.faces)
    alignment = dataclasses.replace(placed.alignment, bent_skull=mesh, scale=scale, jaw=Jaw(opened, 20.0, True))
    found = registration()(Placed(np.eye(4), mesh, alignment))
    np.testing.assert_allclose(found.points, registration()(placed).points, atol=1e-3)


def without_its_left(number: int, *, beyond_mm: float, stray_mm: float) -> Placed:
    """A training person's skull without what lies farther to the left; there the bent template has gone astray."""
    placed = person(number)
    left = placed.skull.vertices[:, 0] > beyond_mm
    bent = Mesh(placed.skull.vertices + stray_mm * left[:, None], placed.skull.faces)
    alignment = dataclasses.replace(placed.alignment, bent_skull=bent)
    return Placed(np.eye(4), submesh(placed.skull, ~left), alignment)


def test_what_is_missing_does_not_count() -> None:
    near, far = (registration()(without_its_left(2, beyond_mm=0.0, stray_mm=stray)).points for stray in (0.0, 40.0))
    # But for a strip along the cut, where bone is near.
    assert np.linalg.norm(far - near, axis=1).mean() < 1.0
    assert miss(far, 2) < 0.8 * miss(people().skulls.mean(axis=0), 2)


def test_a_jaw_that_was_not_found_does_not_count() -> None:
    """Though there is bone where it was bent to."""
    placed, is_jaw = person(1), registration().is_jaw
    absent = Jaw(np.eye(4), 0.0, False)
    found = []
    for shift in (0.0, 2.0):
        bent = Mesh(placed.skull.vertices + shift * is_jaw[:, None], placed.skull.faces)
        alignment = dataclasses.replace(placed.alignment, bent_skull=bent, jaw=absent)
        found.append(registration()(dataclasses.replace(placed, alignment=alignment)).points)
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)
    assert not np.allclose(found[0], registration()(placed).points, atol=1e-3)

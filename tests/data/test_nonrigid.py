"""The smooth bend, on a sphere: it follows what is there and stays smooth where nothing is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from data.nonrigid import _KERNELS, Bend, Template, bend
from data.registration import Oriented, matched_distance
from fields.mesh import Mesh
from tests.data_made import sphere

BALL = sphere(80.0, subdivisions=4)


def template() -> Template:
    """A sphere whose one mode makes it taller."""
    drawn = Oriented.sampled(BALL, 900)
    taller = drawn.points * [0.0, 0.05, 0.0]
    return Template(drawn.points, drawn.normals, taller[:, :, None], drawn.points[:, 1] < -40.0)


def shifted(vertices: np.ndarray) -> np.ndarray:
    """A smooth bump of 5 mm at the front that fades over 50 mm."""
    gap = vertices - [0.0, 0.0, 80.0]
    return vertices + np.outer(np.exp(-0.5 * (gap**2).sum(axis=1) / 50.0**2), [0.0, 0.0, 5.0])


def misfit(ball: Template, result: Bend, target: Oriented) -> float:
    distance, row = matched_distance(ball.points + result.at(ball), ball.normals, target)
    assert (distance < 20.0).all()
    gap = target.points[row] - ball.points - result.at(ball)
    return float(np.abs(np.einsum("pd,pd->p", gap, target.normals[row])).mean())


def test_nothing_bends_on_the_same_surface():
    result = bend(template(), Oriented.sampled(BALL, 6000))
    assert np.abs(result.at(template())).max() < 0.2


def test_a_bump_is_followed():
    bumped = Mesh(shifted(BALL.vertices), BALL.faces)
    target, ball = Oriented.sampled(bumped, 6000), template()
    result = bend(ball, target)
    still = Bend(result.nodes, np.zeros_like(result.node_weights), np.zeros_like(result.mode_weights))
    assert misfit(ball, still, target) > 0.5
    assert misfit(ball, result, target) < 0.2


def test_what_the_prior_knows_goes_to_its_modes():
    target = Oriented.sampled(Mesh(BALL.vertices * [1.0, 1.1, 1.0], BALL.faces), 6000)
    result = bend(template(), target)
    assert 0.5 < result.mode_weights[0] < 2.5
    assert misfit(template(), result, target) < 0.4


def test_a_missing_part_follows_its_neighbours():
    bumped = Mesh(shifted(BALL.vertices), BALL.faces)
    drawn, ball = Oriented.sampled(bumped, 6000), template()
    hole = (drawn.points[:, 2] > 60.0) & (drawn.points[:, 0] > 0.0)
    target = dataclasses.replace(Oriented.sampled(bumped, 10), points=drawn.points[~hole], normals=drawn.normals[~hole])
    target = dataclasses.replace(target, tree=cKDTree(target.points))
    moved = bend(ball, target).at(ball)
    over_hole = (ball.points[:, 2] > 62.0) & (ball.points[:, 0] > 2.0)
    wanted = shifted(ball.points[over_hole]) - ball.points[over_hole]
    assert np.linalg.norm(moved[over_hole] - wanted, axis=1).mean() < 0.5 * np.linalg.norm(wanted, axis=1).mean()


def test_the_jaw_draws_the_cranium_less_than_itself():
    ball = template()
    nodes = Template(*(getattr(ball, field.name)[:220] for field in dataclasses.fields(Template)))
    weights = np.zeros((220, 3))
    weights[np.flatnonzero(nodes.is_jaw)[0]] = 1.0
    field = Bend(nodes, weights, np.zeros(1))
    other = dataclasses.replace(ball, is_jaw=~ball.is_jaw)
    here, across = field.at(ball)[ball.is_jaw], field.at(other)[ball.is_jaw]
    np.testing.assert_allclose(across, 0.3 * here)
    assert np.abs(here).max() == pytest.approx(sum(sd**2 for _, sd in _KERNELS), rel=1e-6)

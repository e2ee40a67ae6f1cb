"""Ways from bone to skin inside the program are those that open3d's rays go."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.rays import Rays, make_rays
from data.landmarks import abbreviation_of
from fields.distance import DistanceScene
from tests.controls_made import controls_of
from tests.skulls_made import shipped_prior


@functools.cache
def rays() -> Rays:
    return make_rays(shipped_prior(), controls_of("train"))


@functools.cache
def scene() -> DistanceScene:
    return DistanceScene(shipped_prior().head_mesh())


def displacements(seed: int, sd_mm: float = 1.5) -> np.ndarray:
    """Of the controls."""
    return np.random.default_rng(seed).normal(0.0, sd_mm, controls_of("train").points.shape).astype(np.float32)


def ways(moved: np.ndarray) -> np.ndarray:
    """Lengths by open3d; NaN where the control has come out of the head."""
    start = np.asarray(rays().origin + moved[rays().control], np.float64)
    length = scene().cast(start, np.asarray(rays().direction, np.float64)).distance
    return np.where(scene().signed_distance(start) < -0.2, length, np.nan)


def too_long(moved: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    head = jnp.asarray(shipped_prior().head.v_template)
    return np.asarray(_too_long(rays(), head, jnp.asarray(moved), jnp.asarray(wanted, jnp.float32)), np.float64)


@jax.jit
def _too_long(rays: Rays, head: jax.Array, moved: jax.Array, wanted: jax.Array) -> jax.Array:
    return rays.too_long(head, moved, wanted)


def mean_depths() -> np.ndarray:
    return (controls_of("train").mean + controls_of("train").offset)[rays().deviation]


def test_all_depths_but_the_ears_have_a_ray() -> None:
    controls = controls_of("train")
    asked = {controls.names[row] for row in rays().control}
    assert {name for name in controls.names[: controls.depths] if name not in asked} == {"po_l", "po_r"}
    assert [controls.deviations[row] for row in rays().deviation] == [controls.names[row] for row in rays().control]
    assert not any(abbreviation_of(name) in ("aca", "d", "al") for name in asked)


def test_nothing_is_too_long_in_the_mean_head() -> None:
    over = too_long(displacements(0, 0.0), mean_depths())
    # To what the prior's file rounds.
    assert np.abs(over).max() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_ways_are_as_long_as_open3ds(seed: int) -> None:
    moved = displacements(seed)
    measured = ways(moved)
    inside = np.isfinite(measured)
    assert inside.mean() > 0.97
    off = np.random.default_rng(seed).uniform(-3.0, 3.0, len(measured))
    over = too_long(moved, np.where(inside, measured + off, 0.0))
    wrong = np.abs(over + off)[inside] > 5e-3
    # Where skin is folded, the skin nearest to what is wanted is not the first that a ray meets.
    assert wrong.sum() <= 1


def test_only_skin_that_a_ray_leaves_by_is_met() -> None:
    """A fold: the ray leaves the head 2 mm on, enters it again at 3 and leaves it at 6."""
    corners = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 2.0, 0.0]], np.float32)
    skin = np.concatenate([corners + np.array([0.0, 0.0, z], np.float32) for z in (2.0, 3.0, 6.0)])
    fold = Rays(
        control=np.zeros(1, np.int32),
        deviation=np.zeros(1, np.int32),
        origin=np.zeros((1, 3), np.float32),
        direction=np.array([[0.0, 0.0, 1.0]], np.float32),
        triangles=np.array([[[0, 1, 2], [3, 5, 4], [6, 7, 8]]], np.int32),
    )
    for wanted, over in ((1.0, 1.0), (3.0, -1.0), (5.0, 1.0), (9.0, -3.0)):
        found = _too_long(fold, jnp.asarray(skin), jnp.zeros((1, 3)), jnp.full(1, wanted))
        assert float(found[0]) == pytest.approx(over, abs=1e-5)
    # Just beside the triangles' edge there is nothing.
    for aside, met in ((-0.99, True), (-1.01, False)):
        found = _too_long(fold, jnp.asarray(skin), jnp.array([[0.0, aside, 0.0]]), jnp.full(1, 1.0))
        assert bool(found[0] != 0.0) == met


def test_a_control_that_came_out_is_told_by_how_much() -> None:
    """Then the way is negative: open3d's ray, the other way round, has to come from outside."""
    out = 2.0
    length = mean_depths() + out
    moved = displacements(0, 0.0)
    moved[rays().control] = length[:, None] * np.asarray(rays().direction)
    over = too_long(moved, np.ones(len(length)))
    assert np.median(over) == pytest.approx(-out - 1.0, abs=0.05)
    assert (np.abs(over + out + 1.0) < 0.1).mean() > 0.95


@pytest.mark.parametrize(("wanted", "most"), [(12.0, 5.0), (-12.0, -5.0), (20.0, 5.0)])
def test_bone_follows_no_farther_than_five_millimetres(wanted: float, most: float) -> None:
    """Depths 12 and 20 mm off."""
    over = too_long(displacements(0, 0.0), mean_depths() - wanted)
    # Other skin may lie nearer to what is wanted.
    assert (over == most).mean() > 0.85
    assert np.abs(over).max() <= 5.0


def test_where_a_ray_meets_no_skin_nothing_is_asked() -> None:
    moved = np.zeros_like(displacements(0))
    # 60 mm aside, the triangles around the landmark are passed by.
    moved[:, 1] += 60.0
    assert not too_long(moved, mean_depths()).any()
    # Nor is skin that is farther off than any depth could be.
    assert not too_long(displacements(0, 0.0), mean_depths() + 200.0).any()


def test_slopes_are_those_of_a_ray() -> None:
    """Bone that moves by a millimetre towards the skin has a millimetre less over it; nothing is infinite."""
    moved, wanted = displacements(1), np.asarray(mean_depths(), np.float32)
    head = jnp.asarray(shipped_prior().head.v_template)

    def total(moved: jax.Array, head: jax.Array) -> jax.Array:
        return jnp.sum(_too_long(rays(), head, moved, jnp.asarray(wanted)))

    slope, skin = (np.asarray(part) for part in jax.grad(total, (0, 1))(jnp.asarray(moved), head))
    assert np.isfinite(slope).all()
    assert np.isfinite(skin).all()
    over = too_long(moved, wanted)
    free = (over != 0.0) & (np.abs(over) < 4.9)
    towards = np.einsum("rd,rd->r", slope[rays().control], rays().direction)
    np.testing.assert_allclose(towards[free], -1.0, atol=1e-3)
    assert free.mean() > 0.9
    assert not slope[[row for row in range(len(slope)) if row not in rays().control]].any()


def test_skin_that_moves_on_makes_the_way_longer() -> None:
    grown = shipped_prior().head_mesh().vertex_normals()
    head = jnp.asarray(shipped_prior().head.v_template + grown, jnp.float32)
    over = np.asarray(_too_long(rays(), head, jnp.asarray(displacements(0, 0.0)), jnp.asarray(mean_depths())))
    assert np.median(over) == pytest.approx(1.0, abs=0.15)
    assert (over > 0.5).mean() > 0.95

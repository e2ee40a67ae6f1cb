"""Terms other than scans: values by hand, derivatives against finite differences."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax.errors import InputError
from flame_jax.flame import Flame
from flame_jax.linearised import Linearised
from flame_jax.parameters import Layout, Parameters, available_groups
from flame_jax.residuals import Landmarks, Prior, SignedDistance, Term, TissueDepths
from tests.egg_made import RADII_MM, egg_model, full_egg_model


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _values(term: Term, flame: Flame, layout: Layout, x: jax.Array, fixed: Parameters) -> jax.Array:
    def values(x: jax.Array) -> jax.Array:
        head = Linearised.at(flame, layout, x, fixed)
        return jnp.concatenate([rows.linearised(head)[0] for rows in term.rows(head, jnp.asarray(1.0))])

    return jax.jit(values)(x)


def _expect_derivatives(term: Term, flame: Flame, seed: int = 0, atol: float = 1e-5) -> np.ndarray:
    """Compare analytic derivatives with central differences; gives the values."""
    fixed = Parameters.neutral(flame)
    layout = Layout.of(fixed, available_groups(flame))
    x = jnp.asarray(0.05 * np.random.default_rng(seed).normal(size=layout.size))

    @jax.jit
    def jacobian(x: jax.Array) -> jax.Array:
        head = Linearised.at(flame, layout, x, fixed)
        return jnp.concatenate([rows.linearised(head)[1] for rows in term.rows(head, jnp.asarray(1.0))])

    step = 1e-5
    steps = step * jnp.concatenate([jnp.eye(layout.size), -jnp.eye(layout.size), jnp.zeros((1, layout.size))])
    values = jax.jit(lambda points: jax.lax.map(lambda x: _values(term, flame, layout, x, fixed), points))(
        x[None] + steps
    )
    numeric = np.asarray(values[: layout.size] - values[layout.size : -1]).T / (2 * step)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(jacobian(x), numeric, rtol=0, atol=atol * np.abs(numeric).max())
    return np.asarray(values[-1])


def _flame(full: bool) -> Flame:
    return Flame.of(full_egg_model(subdivisions=2) if full else egg_model(subdivisions=2), dtype=np.float64)


def test_prior() -> None:
    flame = _flame(full=True)
    rng = np.random.default_rng(0)
    correlated = Prior("betas", rng.normal(size=8), rng.normal(size=(5, 8)))
    _expect_derivatives(correlated, flame)
    values = _expect_derivatives(Prior.of("jaw_pose", np.array([0.1, 0.2, 0.4]), np.array([0.0, 0.1, 0.0])), flame)
    assert values.shape == (3,)
    neutral = _values(
        Prior.of("jaw_pose", np.array([0.1, 0.2, 0.4]), np.array([0.0, 0.1, 0.0])),
        flame,
        Layout.of(Parameters.neutral(flame), ("transl",)),
        jnp.zeros(3),
        Parameters.neutral(flame),
    )
    np.testing.assert_allclose(neutral, [0, -0.5, 0], rtol=1e-6)


def test_prior_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="no group of parameters is named 'shape'"):
        Prior.of("shape", 1.0)
    with pytest.raises(ValueError, match="must be positive"):
        Prior.of("betas", 0.0, width=3)
    assert Prior.of("betas", 2.0, width=3).whitening.shape == (3, 3)


@pytest.mark.parametrize("full", [False, True])
def test_landmarks(full: bool) -> None:
    flame = _flame(full)
    rng = np.random.default_rng(1)
    corners = np.asarray(flame.faces)[rng.integers(0, len(flame.faces), 5)]
    weights = rng.dirichlet(np.ones(3), 5)
    points = rng.normal(size=(5, 3)) * 50
    points[3, 1] = np.nan
    term = Landmarks.of(flame, corners, weights, points, sd=2.0)
    values = _expect_derivatives(term, flame).reshape(3, 5)
    assert (values[:, 3] == 0).all()
    fixed = Parameters.neutral(flame)
    layout = Layout.of(fixed, ("transl",))
    at_rest = np.asarray(_values(term, flame, layout, jnp.zeros(3), fixed)).reshape(3, 5)
    here = np.einsum("lc,lcd->ld", weights, np.asarray(flame.v_template).T[corners])
    np.testing.assert_allclose(at_rest.T[[0, 1, 2, 4]], (here - points)[[0, 1, 2, 4]] / 2, rtol=1e-6)


def test_landmarks_of_a_part_of_the_model() -> None:
    model = egg_model()
    corners = model.faces[:4]
    part = Flame.of(model, vertex_ids=np.unique(corners))
    term = Landmarks.of(part, corners, np.full((4, 3), 1 / 3), np.zeros((4, 3)), 1.0)
    np.testing.assert_array_equal(part.v_template.T[term.corners], model.v_template[corners])
    with pytest.raises(InputError, match="not among the"):
        Landmarks.of(part, model.faces[-4:], np.full((4, 3), 1 / 3), np.zeros((4, 3)), 1.0)


def _ball(points: jax.Array, radius: jax.Array) -> jax.Array:
    return jnp.linalg.norm(points, axis=-1) - radius


def test_signed_distance() -> None:
    flame = _flame(full=True)
    count = flame.v_template.shape[1]
    weights = np.ones(count)
    weights[::2] = 0
    term = SignedDistance(_ball, (jnp.asarray(80.0),), weights, sd=2.0, robust=5.0)
    values = _expect_derivatives(term, flame)
    assert (values[::2] == 0).all()
    distance = np.linalg.norm(np.asarray(flame.v_template).T, axis=1) - 80
    fixed = Parameters.neutral(flame)
    at_rest = _values(term, flame, Layout.of(fixed, ("transl",)), jnp.zeros(3), fixed)
    wanted = weights * (distance / 2) / np.sqrt(1 + (distance / 2) ** 2 / 25)
    np.testing.assert_allclose(at_rest, wanted, rtol=1e-5, atol=1e-5)


def _depths(count: int = 12, seed: int = 2) -> TissueDepths:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bone = directions * (np.array(RADII_MM) - 20)
    return TissueDepths(bone, directions, np.full(count, 8.0), np.full(count, 1.5), reach=60.0)


@pytest.mark.parametrize("full", [False, True])
def test_tissue_depths(full: bool) -> None:
    flame = _flame(full)
    values = _expect_derivatives(_depths(), flame, atol=1e-4)
    assert (np.abs(values) < 40).all()


def test_tissue_depths_against_ray_casting() -> None:
    from fields.distance import DistanceScene
    from fields.mesh import Mesh

    flame, term = _flame(full=False), _depths()
    fixed = Parameters.neutral(flame)
    values = _values(term, flame, Layout.of(fixed, ("transl",)), jnp.zeros(3), fixed)
    scene = DistanceScene(Mesh(np.asarray(flame.v_template).T, np.asarray(flame.faces)))
    hits = scene.cast(np.asarray(term.bone), np.asarray(term.directions))
    np.testing.assert_allclose(1.5 * np.asarray(values) + 8, hits.distance, rtol=0, atol=1e-3)


def test_rays_that_meet_nothing_are_constant() -> None:
    flame, term = _flame(full=False), _depths()
    bone = np.array(term.bone)
    bone[0], bone[1] = [0, 500, 0], np.nan
    term = dataclasses.replace(term, bone=bone, reach=30.0)
    fixed = Parameters.neutral(flame)
    layout = Layout.of(fixed, ("transl",))
    head = Linearised.at(flame, layout, jnp.zeros(3), fixed)
    (rows,) = term.rows(head, jnp.asarray(1.0))
    values, jacobian = rows.linearised(head)
    np.testing.assert_allclose(values[:2], [30 / 1.5, 0])
    assert (jacobian[:2] == 0).all()
    assert np.isfinite(jacobian).all()
    assert (jnp.abs(jacobian[2:]).max(axis=1) > 0).all()

"""Analytic derivatives of a posed head against JAX's own, for every choice of free parameters."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax.flame import JOINTS, Flame
from flame_jax.linearised import Linearised
from flame_jax.parameters import GROUPS, Layout, Parameters, available_groups
from tests.flame_made import flame_model, identity_model

FREE = [GROUPS, ("betas", "global_orient", "transl"), ("expression", "jaw_pose"), ("neck_pose", "log_scale")]

_quick = functools.partial(jax.jit, static_argnames="free", compiler_options={"xla_backend_optimization_level": 0})
"""Compiled for once: with less optimisation, which takes longer than the evaluation."""


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


def _random(flame: Flame, size: float = 0.5) -> Parameters:
    rng = np.random.default_rng(0)
    neutral = vars(Parameters.neutral(flame))
    return Parameters(**{group: size * rng.normal(size=value.shape) for group, value in neutral.items()})


@_quick
def _analytic(
    flame: Flame, parameters: Parameters, directions: Any, places: Any, at_places: Any, free: tuple[str, ...]
) -> dict[str, jax.Array]:
    layout = Layout.of(parameters, free)
    head = Linearised.at(flame, layout, layout.vector(parameters), parameters)
    return {
        "vertices": head.vertices,
        "normals": head.normals,
        "along": head.along(directions),
        "along_normals": head.along_normals,
        "along_at": head.along_at(places, at_places),
    }


@_quick
def _automatic(flame: Flame, parameters: Parameters, free: tuple[str, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
    layout = Layout.of(parameters, free)

    def vertices(x):
        return layout.parameters(x, parameters).posed(flame).vertices

    return (
        vertices(layout.vector(parameters)),
        parameters.posed(flame).normals,
        jax.jacfwd(vertices)(layout.vector(parameters)),
    )


def _expect_right(flame: Flame, parameters: Parameters, free: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    count, size = flame.v_template.shape[1], Layout.of(parameters, free).size
    directions, places = rng.normal(size=(3, count)), rng.integers(0, count, 2 * count)
    at_places = rng.normal(size=(len(places), 3))
    got = _analytic(flame, parameters, directions, places, at_places, free)
    vertices, normals, jacobian = map(np.asarray, _automatic(flame, parameters, free))
    assert got["along"].shape == (size, count)
    assert got["along_at"].shape == (2 * count, size)
    tight = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-13)
    tight(got["vertices"], vertices)
    np.testing.assert_allclose(got["normals"], normals, rtol=0, atol=1e-10)
    tight(got["along"], np.einsum("iv,vix->xv", directions, jacobian))
    tight(got["along_at"], np.einsum("pi,pix->px", at_places, jacobian[places]))
    tight(got["along_normals"], np.einsum("vi,vix->vx", got["normals"], jacobian))


@pytest.mark.parametrize("free", FREE, ids="+".join)
def test_full_model(free: tuple[str, ...]) -> None:
    flame = Flame.of(flame_model(vertex_count=14), dtype=np.float64)
    _expect_right(flame, _random(flame), free)


@pytest.mark.parametrize("free", [("betas", "global_orient", "transl", "log_scale"), ("betas",)])
def test_identity_only_model(free: tuple[str, ...]) -> None:
    flame = Flame.of(identity_model(vertex_count=14), dtype=np.float64)
    assert set(free) <= set(available_groups(flame))
    _expect_right(flame, _random(flame), free)


@pytest.mark.parametrize("missing", ["posedirs", "exprdirs"])
def test_without_some_parts(missing: str) -> None:
    model = dataclasses.replace(flame_model(vertex_count=14), **{missing: None})  # type: ignore[arg-type]
    flame = Flame.of(model, dtype=np.float64)
    _expect_right(flame, _random(flame), available_groups(flame))


def test_at_neutral() -> None:
    flame = Flame.of(flame_model(vertex_count=14), dtype=np.float64)
    _expect_right(flame, Parameters.neutral(flame), GROUPS)


def test_some_vertices() -> None:
    flame = Flame.of(flame_model(), vertex_ids=np.arange(3, 40, 3), dtype=np.float64)
    _expect_right(flame, _random(flame), GROUPS)


def test_fewer_coefficients_than_components() -> None:
    flame = Flame.of(flame_model(vertex_count=14), dtype=np.float64)
    parameters = _random(flame)
    fewer = dataclasses.replace(parameters, betas=parameters.betas[:2], expression=parameters.expression[:3])
    _expect_right(flame, fewer, ("betas", "expression", *JOINTS))


def test_in_single_precision_and_in_16_bits() -> None:
    model = flame_model(vertex_count=14)
    exact = Flame.of(model, dtype=np.float64)
    rng = np.random.default_rng(1)
    rest = (_random(exact), rng.normal(size=(3, 14)), rng.integers(0, 14, 5), rng.normal(size=(5, 3)))
    wanted = _analytic(exact, *rest, GROUPS)["along"]
    single = jax.tree.map(lambda value: value.astype(np.float32) if value.dtype == np.float64 else value, rest)
    for dtype, tolerance in ((np.float32, 2e-6), (jnp.bfloat16, 2e-3)):
        got = _analytic(Flame.of(model, dtype=dtype), *single, GROUPS)["along"]
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_mapped_over_heads() -> None:
    flame = Flame.of(flame_model(vertex_count=14), dtype=np.float64)
    rng = np.random.default_rng(2)
    neutral = vars(Parameters.neutral(flame))
    heads = Parameters(**{group: rng.normal(size=(3, *value.shape)) for group, value in neutral.items()})
    rest = (jnp.ones((3, 14)), jnp.arange(5), jnp.ones((5, 3)))

    together = jax.vmap(lambda parameters: _analytic(flame, parameters, *rest, GROUPS))(heads)
    for place in range(3):
        head = jax.tree.map(operator.itemgetter(place), heads)
        alone = _analytic(flame, head, *rest, GROUPS)
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][place], value, rtol=0, atol=1e-11)

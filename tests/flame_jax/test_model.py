"""Head models: linear in the coefficients, immutable, units."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flame_jax import (
    HeadModel,
    InputError,
    read_head_model,
    shape_points,
    shape_vertices,
    surface_basis,
    vertex_basis,
)
from tests.flame_made import flame_parts, write_npz


@pytest.fixture
def model(tmp_path: Path) -> HeadModel:
    return read_head_model(write_npz(tmp_path / "flame.npz", flame_parts()), dtype=np.float64)


def _identity_only(model: HeadModel) -> HeadModel:
    return HeadModel(model.v_template, model.shapedirs, model.faces, name="only")


@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3)])
@pytest.mark.parametrize("x64", [False, True])
def test_shape_vertices(model: HeadModel, batch: tuple[int, ...], x64: bool) -> None:
    rng = np.random.default_rng(0)
    betas, expression = rng.normal(size=(*batch, 300)), rng.normal(size=(*batch, 100))
    assert model.exprdirs is not None
    wanted = model.v_template + np.einsum("vdk,...k->...vd", model.shapedirs, betas)
    with jax.enable_x64(x64), jax.numpy_rank_promotion("raise"):
        neutral = shape_vertices(model, betas)
        smiling = shape_vertices(model, betas, expression)
    assert neutral.dtype == (np.float64 if x64 else np.float32)
    tolerance = 1e-14 if x64 else 2e-7
    np.testing.assert_allclose(neutral, wanted, rtol=0, atol=tolerance)
    wanted = wanted + np.einsum("vdk,...k->...vd", model.exprdirs, expression)
    np.testing.assert_allclose(smiling, wanted, rtol=0, atol=tolerance)


def test_bases_agree_with_the_vertices(model: HeadModel) -> None:
    rng = np.random.default_rng(1)
    betas = rng.normal(size=(2, 300))
    face_ids, weights = rng.integers(0, len(model.faces), 7), rng.dirichlet(np.ones(3), 7)
    shape = jax.jit(shape_points)
    with jax.enable_x64(True):
        vertices = np.asarray(shape(vertex_basis(model), betas))
        some = shape(vertex_basis(model, np.array([5, 0])), betas)
        on_surface = shape(surface_basis(model, face_ids, weights), betas)
    np.testing.assert_allclose(some, vertices[:, [5, 0]], rtol=0, atol=1e-15)
    wanted = np.einsum("pc,bpcd->bpd", weights, vertices[:, model.faces[face_ids]])
    np.testing.assert_allclose(on_surface, wanted, rtol=0, atol=1e-14)


def test_jacobian_is_the_basis(model: HeadModel) -> None:
    basis = vertex_basis(model, np.arange(4))
    jacobian = jax.jacfwd(shape_points, argnums=1)(basis, jnp.ones(300))
    np.testing.assert_allclose(jacobian, basis.components, rtol=1e-6)


def test_expression_of_an_identity_only_model_is_refused(model: HeadModel) -> None:
    with pytest.raises(InputError, match="'only' has no expressions"):
        shape_vertices(_identity_only(model), np.zeros(300), np.zeros(100))


def test_immutable(model: HeadModel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        model.v_template[0] = 0
    own = np.array(model.v_template)
    HeadModel(own, model.shapedirs, model.faces)
    own[0] = 0  # the caller's array stays the caller's


def test_millimetres(model: HeadModel) -> None:
    scaled = model.in_millimetres()
    assert scaled.metres_per_unit == 1e-3
    betas = np.ones(300)
    with jax.enable_x64(True):
        np.testing.assert_allclose(shape_vertices(scaled, betas), 1000 * shape_vertices(model, betas), rtol=1e-12)
    np.testing.assert_array_equal(scaled.lbs_weights, model.lbs_weights)
    np.testing.assert_array_equal(scaled.in_millimetres().v_template, scaled.v_template)


def test_fewer_identities(model: HeadModel) -> None:
    few = model.with_identities(10)
    np.testing.assert_array_equal(few.shapedirs, model.shapedirs[:, :, :10])
    with pytest.raises(InputError, match="has 10 identity components, not 11"):
        few.with_identities(11)

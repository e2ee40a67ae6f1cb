"""Head models: immutable, units, points of the surface."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from flame_jax import HeadModel, InputError, read_head_model, surface_basis
from flame_jax.flame import Flame
from tests.flame_made import flame_parts, write_npz


@pytest.fixture
def model(tmp_path: Path) -> HeadModel:
    return read_head_model(write_npz(tmp_path / "flame.npz", flame_parts()), dtype=np.float64)


def test_surface_basis_is_linear_in_the_identity(model: HeadModel) -> None:
    rng = np.random.default_rng(1)
    betas = rng.normal(size=300)
    face_ids, weights = rng.integers(0, len(model.faces), 7), rng.dirichlet(np.ones(3), 7)
    basis = surface_basis(model, face_ids, weights)
    with jax.enable_x64(True):
        shaped = Flame.of(model, dtype=np.float64).shaped(betas).vertices
    wanted = np.einsum("pc,pcd->pd", weights, np.asarray(shaped)[model.faces[face_ids]])
    np.testing.assert_allclose(basis.mean + basis.components @ betas, wanted, rtol=0, atol=1e-14)
    leaves = jax.tree.leaves(basis)  # so it can be an argument of a jitted function
    assert [leaf.shape for leaf in leaves] == [(7, 3), (7, 3, 300)]


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
    for key in ("v_template", "shapedirs", "exprdirs", "posedirs"):
        np.testing.assert_allclose(getattr(scaled, key), 1000 * getattr(model, key), rtol=1e-12)
    np.testing.assert_array_equal(scaled.lbs_weights, model.lbs_weights)
    np.testing.assert_array_equal(scaled.in_millimetres().v_template, scaled.v_template)


def test_fewer_identities(model: HeadModel) -> None:
    few = model.with_identities(10)
    np.testing.assert_array_equal(few.shapedirs, model.shapedirs[:, :, :10])
    with pytest.raises(InputError, match="has 10 identity components, not 11"):
        few.with_identities(11)

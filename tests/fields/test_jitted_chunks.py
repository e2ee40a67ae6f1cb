"""A jitted function on any number of host points: right values, and one program for all."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.jitted_chunks import JittedChunks

_CHUNK = 64


def _balls(parameters: dict[str, jax.Array], points: jax.Array) -> jax.Array:
    return jnp.linalg.norm(points - parameters["centre"][None], axis=-1) - parameters["radius"]


def _parameters(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return {"centre": rng.normal(size=3).astype(np.float32), "radius": np.asarray(rng.uniform(1, 2), np.float32)}


@pytest.mark.parametrize("count", [0, 1, _CHUNK - 1, _CHUNK, _CHUNK + 1, 20 * _CHUNK + 7])
def test_each_point_has_its_own_value(count: int) -> None:
    parameters, points = _parameters(0), np.random.default_rng(1).normal(size=(count, 3)) * 5.0
    found = JittedChunks(_balls, _CHUNK)(parameters, points)
    assert found.dtype == np.float32
    wanted = np.linalg.norm(points - parameters["centre"], axis=1) - parameters["radius"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_one_program_for_all_parameters_counts_and_meshes() -> None:
    traced = []

    def counted(parameters: dict[str, jax.Array], points: jax.Array) -> jax.Array:
        traced.append(points.shape)
        return _balls(parameters, points)

    chunks = JittedChunks(counted, _CHUNK)
    for seed in range(3):
        field = chunks.of(_parameters(seed))
        for count in (5, 300, 64):
            points = np.full((count, 3), float(seed))
            assert field(points).shape == (count,)
            np.testing.assert_allclose(field(points), _balls(_parameters(seed), jnp.asarray(points)), atol=1e-5)
            chunks(_parameters(seed), points.astype(np.float32))
    assert traced == [(_CHUNK, 3)]


def test_two_objects_do_not_share_a_program_of_other_width() -> None:
    points = np.ones((10, 3))
    narrow, wide = (JittedChunks(_balls, chunk)(_parameters(0), points) for chunk in (4, 16))
    np.testing.assert_array_equal(narrow, wide)


def test_padding_asks_nothing_new() -> None:
    # A point that is not asked for must not be evaluated: here zero would be one.
    def inverse(_: None, points: jax.Array) -> jax.Array:
        return 1.0 / points[:, 0]

    with jax.debug_nans(True):
        assert JittedChunks(inverse, _CHUNK)(None, np.full((3, 3), 2.0)).tolist() == [0.5, 0.5, 0.5]


def test_a_function_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one number for each of 64 points, not shape \(64, 3\)"):
        JittedChunks(lambda _, points: points, _CHUNK)(None, np.ones((5, 3)))

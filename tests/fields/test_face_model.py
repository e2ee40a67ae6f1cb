"""A model that is asked: heads, distances and posteriors from host arrays, with programs that are compiled once."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fields.face_field import FaceField
from fields.face_model import CHUNK, FaceModel, Reading
from fields.latent import POSE, decoded
from fields.sampling import sample_surface
from tests.fields_made import TEMPERATURE, tiny_model
from tests.skulls_made import case, shipped_prior

POINTS = 800


def points_of(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of somebody's skull; some are filling."""
    skull = case(seed).skull
    samples = sample_surface(skull, POINTS, seed=seed)
    order = np.random.default_rng(seed).permutation(POINTS)
    points, normals = samples.points[order], skull.face_normals()[samples.face_ids][order]
    return points.astype(np.float32), normals.astype(np.float32), np.arange(POINTS) < POINTS - 50


def reading(seed: int, fullness: float | None = None) -> Reading:
    return tiny_model().read(*points_of(seed), fullness)


def about(count: int, seed: int = 0) -> np.ndarray:
    mean, rng = np.asarray(tiny_model().prior.mean, np.float64), np.random.default_rng(seed)
    return mean[rng.integers(len(mean), size=count)] + rng.normal(0.0, 6.0, (count, 3))


def test_the_posterior_is_as_warm_as_the_model_says() -> None:
    cold = dataclasses.replace(tiny_model(), temperature=1.0).read(*points_of(0))
    warm = reading(0)
    np.testing.assert_allclose(warm.posterior.factor, TEMPERATURE * cold.posterior.factor, rtol=1e-5)
    np.testing.assert_allclose(np.exp(warm.posterior.log_sd), TEMPERATURE * np.exp(cold.posterior.log_sd), rtol=1e-5)
    np.testing.assert_array_equal(warm.posterior.mean, cold.posterior.mean)


def test_fullness_moves_the_face_and_none_is_unknown() -> None:
    unknown, thin, full = (reading(0, value).posterior.mean for value in (None, -1.0, 1.0))
    assert np.isfinite(unknown).all()
    np.testing.assert_allclose(full - thin, 2.0 * tiny_model().prior.first.fullness, atol=1e-5)
    told = dataclasses.replace(tiny_model(), prior=tiny_model().prior).read(*points_of(0), float("nan"))
    np.testing.assert_array_equal(told.posterior.mean, unknown)


def test_a_head_is_the_model_s_with_its_pose() -> None:
    prior = tiny_model().prior
    latent = np.random.default_rng(1).normal(size=prior.modes.shape[2] + POSE).astype(np.float32)
    head, pose = tiny_model().head(latent), decoded(jnp.asarray(latent))
    assert head.dtype == np.float64
    modes = np.asarray(prior.modes, np.float64)
    shape = np.asarray(prior.mean) + modes @ latent[:-POSE] + float(pose.opening) * np.asarray(prior.open_mouth)
    transform = np.asarray(pose.T_skull_model, np.float64)
    np.testing.assert_allclose(head, shape @ transform[:3, :3].T + transform[:3, 3], atol=1e-3)
    np.testing.assert_allclose(tiny_model().head(np.zeros_like(latent)), prior.mean, atol=1e-4)
    # The shipped modes come first.
    first = np.zeros_like(latent)
    first[3] = 1.0
    wanted = shipped_prior().head_mesh(first[: -POSE - 4].astype(np.float64)).vertices
    np.testing.assert_allclose(tiny_model().head(first), wanted, atol=1e-3)


@pytest.mark.parametrize("count", [1, 700, CHUNK + 3])
def test_distances_are_the_field_s(count: int) -> None:
    model, found = tiny_model(), reading(1)
    latent = found.posterior.mean
    points = about(count)
    asked = model.distances(found, latent)(points)
    field = nnx.merge(model.graphdef, model.params)
    some = slice(0, 400)
    wanted = field.distance(model.prior, found.code, field.placed(model.prior, latent), points[some].astype(np.float32))
    assert asked.shape == (count,)
    np.testing.assert_allclose(asked[some], wanted, atol=2e-3)


def test_programs_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[str] = []

    def counted(name: str) -> Any:
        own = getattr(FaceField, name)

        def method(self: FaceField, *args: Any, **options: Any) -> Any:
            traced.append(name)
            return own(self, *args, **options)

        return method

    for name in ("encode", "placed", "distance"):
        monkeypatch.setattr(FaceField, name, counted(name))
    # Another model than the cached one, so that nothing has been compiled for it.
    fresh = FaceModel.of(dataclasses.replace(tiny_model().config, rank=3), _untrained(3), _with_rank(3))
    for seed, fullness in ((0, None), (1, 0.5), (2, -1.0)):
        found = fresh.read(*points_of(seed), fullness)
        for latent in (found.posterior.mean, found.posterior.sample(jax.random.key(seed))):
            assert np.isfinite(fresh.distances(found, latent)(about(9_000, seed))).all()
            assert np.isfinite(fresh.head(latent)).all()
    assert sorted(traced) == ["distance", "encode", "placed"]


def _untrained(rank: int) -> FaceField:
    config = dataclasses.replace(tiny_model().config, rank=rank)
    return FaceField(config, tiny_model().prior.modes.shape[2], rngs=nnx.Rngs(0))


def _with_rank(rank: int) -> Any:
    prior = tiny_model().prior
    return dataclasses.replace(prior, first=dataclasses.replace(prior.first, factor=prior.first.factor[:, :rank]))

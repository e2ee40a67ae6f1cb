"""The whole field before training: exactly the prior's head, where the first estimate puts it."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data.face_region import face_triangles
from fields.anchor_pooling import pooled
from fields.face_field import FaceField
from fields.field_config import FieldConfig
from fields.head_warp import mean_distance, unwarped
from fields.latent import POSE, decoded
from fields.mesh import Mesh
from fields.sampling import sample_surface
from fields.skull_encoder import SkullCode
from tests.fields_made import TINY, tiny_prior
from tests.skulls_made import shipped_prior

POINTS = 1_500
UNKNOWN = jnp.asarray(jnp.nan)


@functools.cache
def untrained(config: FieldConfig = TINY) -> FaceField:
    return FaceField(config, tiny_prior().modes.shape[2], rngs=nnx.Rngs(0))


@functools.cache
def skull() -> tuple[np.ndarray, np.ndarray]:
    """Points of the prior's skull and their normals, in random order."""
    mesh = shipped_prior().skull
    samples = sample_surface(mesh, POINTS, seed=0)
    order = np.random.default_rng(0).permutation(POINTS)
    return samples.points[order].astype(np.float32), mesh.face_normals()[samples.face_ids][order].astype(np.float32)


@functools.cache
def _encoder() -> object:
    graphdef, params = nnx.split(untrained())
    prior = tiny_prior()
    return jax.jit(
        lambda points, normals, valid: nnx.merge(graphdef, params).encode(
            prior, pooled(prior.anchors, points, normals, valid)
        )
    )


def read(points: np.ndarray, normals: np.ndarray, valid: np.ndarray | None = None) -> SkullCode:
    encode = _encoder()
    assert callable(encode)
    return encode(points, normals, np.ones(len(points), bool) if valid is None else valid)


def about_the_head(count: int, seed: int = 0) -> np.ndarray:
    mean = np.asarray(tiny_prior().mean)
    rng = np.random.default_rng(seed)
    return (mean[rng.integers(len(mean), size=count)] + rng.normal(0.0, 8.0, (count, 3))).astype(np.float32)


def test_the_field_is_the_head_of_the_first_estimate() -> None:
    prior, model, code = tiny_prior(), untrained(), read(*skull())
    latent = model.infer(prior, code, UNKNOWN).mean
    np.testing.assert_array_equal(latent, code.estimate)
    assert 0.1 < np.abs(latent[:-POSE]).mean() < 3.0
    points, pose = about_the_head(500), decoded(latent)
    found = model.distance(prior, code, model.placed(prior, latent), points)
    turn, shift = pose.T_skull_model[:3, :3], pose.T_skull_model[:3, 3]
    model_frame = (points - shift) @ turn
    wanted = mean_distance(prior.grids, unwarped(prior.grids, prior.displacement(pose), model_frame))
    np.testing.assert_array_equal(found, wanted)


def test_it_is_zero_on_that_head_s_face() -> None:
    prior, model, code = tiny_prior(), untrained(), read(*skull())
    latent = 2.0 * jnp.asarray(np.random.default_rng(1).normal(size=code.estimate.shape), jnp.float32)
    latent = latent.at[-POSE].set(0.0)
    faces = np.asarray(prior.faces)
    face = face_triangles(Mesh(np.asarray(prior.mean, np.float64), faces), shipped_prior().landmark_points())
    head = Mesh(np.asarray(prior.head(decoded(latent)), np.float64), faces)
    assert np.linalg.norm(head.vertices - prior.mean, axis=1).mean() > 3.0
    points = sample_surface(head, 4_000, seed=0, face_mask=face).points.astype(np.float32)
    for on_grid in (False, True):
        placed = model.placed(prior, latent, on_grid=on_grid)
        off = np.abs(np.asarray(model.distance(prior, code, placed, points)))
        assert off.mean() < 0.06


def test_the_order_of_points_does_not_matter() -> None:
    points, normals = skull()
    order = np.random.default_rng(2).permutation(POINTS)
    one, other = read(points, normals), read(points[order], normals[order])
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(b, a, atol=2e-3)


@pytest.mark.parametrize("missing", ["mandible", "vault", "left", "all"])
def test_what_is_missing_is_trusted_less_and_harms_nothing(missing: str) -> None:
    points, normals = skull()
    gone = {
        "mandible": points[:, 1] < -35.0,
        "vault": points[:, 1] > 60.0,
        "left": points[:, 0] > 0.0,
        "all": np.ones(POINTS, bool),
    }[missing]
    whole, part = read(points, normals), read(points, normals, ~gone)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(part))
    anchors = np.asarray(tiny_prior().anchors.points)
    # Anchors about which all points are gone.
    reach = np.linalg.norm(anchors[:, None] - points[None], axis=2) < 20.0
    blind = (reach & gone).sum(axis=1) == reach.sum(axis=1)
    assert blind.sum() >= 3
    assert (np.asarray(part.trust)[blind] < 0.1 * np.asarray(whole.trust)[blind]).all()
    assert np.asarray(whole.trust)[blind].min() > 0.3
    posterior = untrained().infer(tiny_prior(), part, UNKNOWN)
    distance = untrained().distance(
        tiny_prior(), part, untrained().placed(tiny_prior(), posterior.mean), about_the_head(50)
    )
    assert np.isfinite(distance).all()


def test_without_the_warp_there_is_the_mean_head_and_a_residual() -> None:
    bare = untrained(dataclasses.replace(TINY, warp=False, residual=False))
    assert bare.residual is not None
    prior, points = tiny_prior(), about_the_head(200)
    latent = jnp.ones(prior.modes.shape[2] + POSE)
    for on_grid in (False, True):
        head = bare.placed(prior, latent, on_grid=on_grid)
        np.testing.assert_allclose(
            bare.distance(prior, read(*skull()), head, points), mean_distance(prior.grids, points), atol=1e-4
        )


def test_without_a_head_model_there_is_a_sphere() -> None:
    bare = untrained(dataclasses.replace(TINY, warp=False, template=False))
    prior, points = tiny_prior(), about_the_head(200)
    head = bare.placed(prior, jnp.ones(prior.modes.shape[2] + POSE))
    found = np.asarray(bare.distance(prior, read(*skull()), head, points))
    centre = np.asarray(prior.mean).mean(axis=0)
    radii = np.linalg.norm(points - centre, axis=1) - found
    np.testing.assert_allclose(radii, radii[0], atol=1e-3)
    assert 60.0 < radii[0] < 140.0
    with pytest.raises(ValueError, match="none to warp"):
        untrained(dataclasses.replace(TINY, template=False))


def test_without_the_residual_there_is_the_head() -> None:
    alone = untrained(dataclasses.replace(TINY, residual=False))
    assert alone.residual is None
    prior, points, code = tiny_prior(), about_the_head(200), read(*skull())
    head = alone.placed(prior, code.estimate)
    np.testing.assert_array_equal(
        alone.distance(prior, code, head, points), untrained().distance(prior, code, head, points)
    )


def test_slopes_are_finite_everywhere() -> None:
    """By all parameters, and by points on vertices, far off, and beyond the grid."""
    graphdef, params = nnx.split(untrained())
    prior, features = tiny_prior(), pooled(tiny_prior().anchors, *skull(), np.ones(POINTS, bool))
    points = np.concatenate([np.asarray(prior.mean)[:100], about_the_head(100), [[900.0, -700.0, 500.0]]])

    @jax.jit
    def slopes(params: nnx.State, points: jax.Array) -> tuple[nnx.State, jax.Array]:
        def total(params: nnx.State, points: jax.Array) -> jax.Array:
            model = nnx.merge(graphdef, params)
            code = model.encode(prior, features)
            latent = model.infer(prior, code, UNKNOWN).sample(jax.random.key(0))
            return jnp.abs(model.distance(prior, code, model.placed(prior, latent), points)).sum()

        return jax.grad(total, argnums=(0, 1))(params, points)

    by_params, by_points = slopes(params, jnp.asarray(points, jnp.float32))
    assert np.isfinite(by_points).all()
    for path, leaf in jax.tree.leaves_with_path(by_params):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
    assert np.abs(by_params["residual"]["out"]["kernel"][...]).max() > 0.0
    assert np.abs(by_params["encoder"]["infer"][...]).max() > 0.0


def test_parameters_have_a_type_of_their_own() -> None:
    """One that is weakly typed gets another type by the first step, and the step is compiled twice."""
    for path, leaf in jax.tree.leaves_with_path(nnx.split(untrained())[1]):
        assert leaf.dtype == jnp.float32
        assert not leaf.weak_type, jax.tree_util.keystr(path)

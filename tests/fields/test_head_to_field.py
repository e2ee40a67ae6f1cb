"""A head model finds back heads from their fields alone, with one program for all."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.prior import AnatomyPrior, read_prior
from data.shipped import PRIOR
from fields.distance import DistanceScene
from fields.head_to_field import SampledField, fit_head_to_field, sampled_distance
from fields.mesh import Mesh
from flame_jax.flame import Flame

_IDENTITIES = 12
_LOW, _HIGH = np.array([-120.0, -190.0, -150.0]), np.array([120.0, 170.0, 160.0])
_traced: list[bool] = []


def _counted_distance(points: jax.Array, field: SampledField) -> jax.Array:
    _traced.append(True)
    return sampled_distance(points, field)


@pytest.fixture(scope="module")
def prior() -> AnatomyPrior:
    return read_prior(PRIOR)


@pytest.fixture(scope="module")
def flame(prior: AnatomyPrior) -> Flame:
    return Flame.of(prior.head, identities=_IDENTITIES)


def _person(prior: AnatomyPrior, seed: int) -> tuple[Mesh, np.ndarray]:
    rng = np.random.default_rng(seed)
    betas, transform = rng.normal(size=_IDENTITIES), np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(0.05 * rng.normal(size=3)).as_matrix()
    transform[:3, 3] = 3.0 * rng.normal(size=3)
    return prior.head_mesh(betas).transformed(transform), betas


def _field(head: Mesh) -> SampledField:
    return SampledField.of(DistanceScene(head).signed_distance, _LOW, _HIGH)


def test_heads_are_found_back_by_one_program(prior: AnatomyPrior, flame: Flame) -> None:
    traces = []
    for seed in range(3):
        person, betas = _person(prior, seed)
        given = None if seed < 2 else betas + 0.3
        found = fit_head_to_field(flame, _counted_distance, (_field(person),), betas=given)
        traces.append(len(_traced))
        assert found.converged
        away = np.linalg.norm(found.mesh.vertices - person.vertices, axis=1)
        # Without correspondences; between samples 3 mm apart the field is not exact.
        assert away.mean() < 0.4
        assert DistanceScene(person).distance(found.mesh.vertices).mean() < 0.15
        assert np.linalg.norm(prior.head_mesh().vertices - person.vertices, axis=1).mean() > 4.0
        assert np.abs(found.betas - betas).max() < 0.3
        assert (found.sds > 0.0).all()
        assert found.sds.max() < 0.5
        assert found.mean_mm < 0.2
        np.testing.assert_array_equal(found.mesh.faces, prior.head.faces)
    assert traces[0] > 0
    assert traces == [traces[0]] * 3


def test_vertices_without_weight_do_not_pull(prior: AnatomyPrior, flame: Flame) -> None:
    person, _ = _person(prior, 4)
    # The person has a flat top at the level of the brow, as of a sawn skull.
    scene = DistanceScene(person)

    def sawn(points: np.ndarray) -> np.ndarray:
        return np.maximum(scene.signed_distance(points), points[:, 1] - 60.0)

    field = SampledField.of(sawn, _LOW, _HIGH)
    weights = (prior.head.v_template[:, 1] < 45.0).astype(np.float32)
    below = weights > 0.0
    errors = [
        np.linalg.norm(
            fit_head_to_field(flame, _counted_distance, (field,), weights=given).mesh.vertices - person.vertices, axis=1
        )[below].mean()
        for given in (weights, None)
    ]
    assert errors[0] < 0.6
    assert errors[1] > 1.5 * errors[0]


def test_samples_are_read_trilinearly_and_beyond_them_at_the_border() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 5, 6)).astype(np.float32)
    low, spacing = np.array([1.0, -2.0, 3.0], np.float32), 2.0
    field = SampledField(values, low, np.asarray(spacing, np.float32))
    places = np.stack(np.meshgrid(*[np.arange(size) for size in values.shape], indexing="ij"), -1).reshape(-1, 3)
    read = jax.jit(sampled_distance)
    np.testing.assert_allclose(read(jnp.asarray(low + spacing * places, jnp.float32), field), values.ravel(), atol=1e-6)
    # A function that is linear along each axis is read exactly, anywhere between.
    x, y, z = np.moveaxis(places, 1, 0)
    linear = SampledField((x * y - 2.0 * z + x * z * y).reshape(values.shape).astype(np.float32), low, field.spacing)
    at = rng.uniform(0.0, 1.0, (200, 3)) * (np.array(values.shape) - 1)
    x, y, z = at.T
    found = read(jnp.asarray(low + spacing * at, jnp.float32), linear)
    np.testing.assert_allclose(found, x * y - 2.0 * z + x * z * y, atol=1e-4)
    far = jnp.asarray([[-50.0, -50.0, -50.0], [99.0, 99.0, 99.0]], jnp.float32)
    np.testing.assert_allclose(read(far, field), [values[0, 0, 0], values[-1, -1, -1]], atol=1e-6)


def test_a_sampled_head_is_near_its_distance(prior: AnatomyPrior) -> None:
    head = prior.head_mesh()
    field = _field(head)
    assert field.values.shape == _field(head.transformed(np.diag([0.9, 1.0, 1.1, 1.0]))).values.shape
    read = np.asarray(sampled_distance(jnp.asarray(head.vertices, jnp.float32), field))
    assert np.abs(read).mean() < 0.2


def test_what_does_not_fit_is_refused(prior: AnatomyPrior, flame: Flame) -> None:
    field = SampledField(np.ones((2, 2, 2), np.float32), np.zeros(3, np.float32), np.asarray(1.0, np.float32))
    with pytest.raises(ValueError, match=r"13 coefficients for head model .*, which has 12"):
        fit_head_to_field(flame, sampled_distance, (field,), betas=np.zeros(13))
    metres = dataclasses.replace(flame, metres_per_unit=1.0)
    with pytest.raises(ValueError, match="not in millimetres"):
        fit_head_to_field(metres, sampled_distance, (field,))

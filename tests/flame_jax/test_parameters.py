"""Parameters and their place in a solver's vector, and the placing of heads by similarities."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax.flame import JOINTS, Flame
from flame_jax.parameters import GROUPS, Layout, Parameters, available_groups, bones, similarity
from tests.flame_made import flame_model, identity_model


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module", params=[flame_model, identity_model])
def flame(request: pytest.FixtureRequest) -> Flame:
    return Flame.of(request.param(), dtype=np.float64)


def _random(flame: Flame, *batch: int, seed: int = 0) -> Parameters:
    rng = np.random.default_rng(seed)
    neutral = vars(Parameters.neutral(flame))
    return Parameters(**{group: 0.5 * rng.normal(size=(*batch, len(value))) for group, value in neutral.items()})


@jax.jit
def _evaluated(flame: Flame, parameters: Parameters) -> tuple[jax.Array, jax.Array]:
    posed = parameters.posed(flame)
    return posed.vertices, posed.joints


def test_groups_of_each_model() -> None:
    full, only = Flame.of(flame_model()), Flame.of(identity_model())
    assert available_groups(full) == GROUPS
    assert available_groups(only) == ("betas", "global_orient", "transl", "log_scale")
    without = Flame.of(dataclasses.replace(flame_model(), exprdirs=None))
    assert available_groups(without) == tuple(group for group in GROUPS if group != "expression")
    assert {value.dtype for value in vars(Parameters.neutral(full)).values()} == {np.dtype(np.float32)}


def test_neutral_is_the_template(flame: Flame) -> None:
    vertices, _ = _evaluated(flame, Parameters.neutral(flame))
    np.testing.assert_allclose(vertices, flame.v_template.T, rtol=0, atol=1e-15)


def test_scale_then_translation(flame: Flame) -> None:
    parameters = _random(flame)
    has = {name: getattr(parameters, name) for name in (*JOINTS, "expression") if name in available_groups(flame)}
    plain = jax.jit(lambda flame, betas, has: flame.shaped(betas).posed(**has))(flame, parameters.betas, has)
    scale = np.exp(parameters.log_scale)
    for got, unscaled in zip(_evaluated(flame, parameters), (plain.vertices, plain.joints), strict=True):
        np.testing.assert_allclose(got, scale * np.asarray(unscaled) + parameters.transl, rtol=0, atol=1e-13)


def test_batches_are_loops(flame: Flame) -> None:
    parameters = _random(flame, 2, 3)
    vertices, joints = _evaluated(flame, parameters)
    mapped = jax.jit(jax.vmap(jax.vmap(_evaluated, in_axes=(None, 0)), in_axes=(None, 0)))(flame, parameters)
    for got, wanted in zip(mapped, (vertices, joints), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)
    alone = _evaluated(flame, jax.tree.map(lambda value: value[1, 2], parameters))
    np.testing.assert_allclose(vertices[1, 2], alone[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(joints[1, 2], alone[1], rtol=0, atol=1e-13)


def test_bones_have_the_same_joints(flame: Flame) -> None:
    parameters = _random(flame)
    vertices, joints = _evaluated(bones(flame), parameters)
    assert vertices.shape == (0, 3)
    np.testing.assert_array_equal(joints, _evaluated(flame, parameters)[1])


@pytest.mark.parametrize("free", [GROUPS, ("betas", "transl"), ("log_scale", "jaw_pose", "betas"), ()])
def test_vector_there_and_back(flame: Flame, free: tuple[str, ...]) -> None:
    given, fixed = _random(flame, 2), _random(flame, 2, seed=1)
    layout = Layout.of(given, free)
    assert list(layout.slices) == [group for group in GROUPS if group in free]
    assert layout.size == sum(getattr(given, group).shape[-1] for group in free)
    if not free:
        return
    vector = layout.vector(given)
    assert vector.shape == (2, layout.size)
    back = layout.parameters(vector, fixed)
    for group in GROUPS:
        np.testing.assert_array_equal(getattr(back, group), getattr(given if group in free else fixed, group))


def _random_similarity(seed: int, scale: float = 1.0) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = scale * Rotation.random(random_state=seed).as_matrix()
    transform[:3, 3] = np.random.default_rng(seed).normal(size=3)
    return transform


def _moved(points: Any, transform: np.ndarray) -> np.ndarray:
    return np.asarray(points) @ transform[:3, :3].T + transform[:3, 3]


@pytest.mark.parametrize("scale", [1.0, 0.3, 1000.0])
def test_placed(flame: Flame, scale: float) -> None:
    # A head of one's own, also with an expression, which moves FLAME's joints too.
    person = dataclasses.replace(
        Parameters.neutral(flame), betas=_random(flame).betas, expression=_random(flame).expression
    )
    transform = _random_similarity(5, scale)
    placed = jax.jit(Parameters.placed)(person, flame, transform)
    for before, after in zip(_evaluated(flame, person), _evaluated(flame, placed), strict=True):
        np.testing.assert_allclose(after, _moved(before, transform), rtol=0, atol=1e-13 * scale)
    np.testing.assert_array_equal(placed.betas, person.betas)


def test_placed_in_single_precision() -> None:
    flame = Flame.of(flame_model())
    person = Parameters.neutral(flame)
    placed = person.placed(flame, _random_similarity(6, 1.1))
    assert {value.dtype for value in vars(placed).values()} == {np.dtype(np.float32)}
    vertices, wanted = _evaluated(flame, placed)[0], _moved(flame.v_template.T, _random_similarity(6, 1.1))
    np.testing.assert_allclose(vertices, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.02, 1000.0])
@pytest.mark.parametrize("count", [3, 4, 50])
def test_similarity_is_recovered(scale: float, count: int) -> None:
    points = np.random.default_rng(7).normal(size=(count, 3)) + 5
    for seed in range(10):
        transform = _random_similarity(seed, scale)
        got = similarity(points, _moved(points, transform), scaled=True)
        np.testing.assert_allclose(got, transform, rtol=0, atol=1e-12 * scale)
        rigid = _random_similarity(seed)
        np.testing.assert_allclose(similarity(points, _moved(points, rigid)), rigid, rtol=0, atol=1e-12)


def test_rigid_motion_does_not_scale() -> None:
    points = np.random.default_rng(8).normal(size=(20, 3))
    transform = similarity(points, _moved(points, _random_similarity(1, 3.0)))
    np.testing.assert_allclose(transform[:3, :3], _random_similarity(1)[:3, :3], rtol=0, atol=1e-14)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_mirror_image_is_turned_not_mirrored(scaled: bool) -> None:
    points = np.random.default_rng(9).normal(size=(30, 3)) * [3, 2, 1]
    mirrored = _moved(points * [-1, 1, 1], _random_similarity(2))
    transform = similarity(points, mirrored, scaled=scaled)
    assert np.linalg.det(transform[:3, :3]) > 0
    # No turn or scale nearby is better, which a mirrored or wrongly scaled answer would fail.
    best = np.sum((_moved(points, transform) - mirrored) ** 2)
    rng = np.random.default_rng(10)
    for _ in range(200):
        near = np.array(transform)
        near[:3, :3] = near[:3, :3] @ Rotation.from_rotvec(0.05 * rng.normal(size=3)).as_matrix()
        near[:3, :3] *= np.exp(0.05 * rng.normal()) if scaled else 1
        near[:3, 3] = mirrored.mean(axis=0) - near[:3, :3] @ points.mean(axis=0)
        assert np.sum((_moved(points, near) - mirrored) ** 2) >= best


def test_points_in_a_plane() -> None:
    points = np.random.default_rng(11).normal(size=(9, 3)) * [1, 1, 0]
    transform = _random_similarity(3, 2.0)
    np.testing.assert_allclose(similarity(points, _moved(points, transform), scaled=True), transform, atol=1e-14)

"""FLAME's forward pass: against its equations in plain numpy, derivatives, batches, landmarks, refusals."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from flame_jax import HeadModel, InputError
from flame_jax.flame import JOINTS, Flame
from flame_jax.landmark_embedding import LandmarkEmbedding
from flame_jax.rotations import Rotations, matrix_to_six
from tests.flame_made import flame_model, identity_model
from tests.posed_made import WIDTHS, evaluated_of, posed_of, random_heads


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="module")
def flame() -> Flame:
    return Flame.of(flame_model(), dtype=np.float64)


@pytest.fixture(scope="module")
def only() -> Flame:
    return Flame.of(identity_model(), dtype=np.float64)


@jax.jit
def _by_vector(flame: Flame, x: Any) -> dict[str, jax.Array]:
    parts = jnp.split(x, np.cumsum(list(WIDTHS.values()))[:-1], axis=-1)
    return evaluated_of(flame, dict(zip(WIDTHS, parts, strict=True)))


_quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""Compiled for once: with less optimisation, which takes longer than the evaluation."""

_forward = _quick(jax.jacfwd(_by_vector, argnums=1))


@_quick
def _gradient(flame: Flame, x: Any, weights: dict[str, Any]) -> jax.Array:
    """Of a weighted sum of all outputs, by the reverse pass."""
    return jax.grad(lambda x: sum(jnp.sum(weights[name] * out) for name, out in _by_vector(flame, x).items()))(x)


def _by_the_equations(model: HeadModel, heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of one head, written as in the paper with 4 x 4 matrices, vertex by vertex."""
    rest = model.v_template + model.shapedirs @ heads["betas"]
    if model.exprdirs is not None:
        rest = rest + model.exprdirs @ heads["expression"]
    assert model.j_regressor is not None
    assert model.lbs_weights is not None
    assert model.kintree_parents is not None
    joints = model.j_regressor @ rest
    turns = [Rotation.from_rotvec(heads[name]).as_matrix() for name in JOINTS]
    if model.posedirs is not None:
        rest = rest + model.posedirs @ np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    moves: list[np.ndarray] = []
    for joint, parent in enumerate(model.kintree_parents):
        about = np.eye(4)
        about[:3, :3] = turns[joint]
        about[:3, 3] = joints[joint] - turns[joint] @ joints[joint]
        moves.append(about if parent < 0 else moves[parent] @ about)
    vertices = [
        sum(weight * move for weight, move in zip(weights, moves, strict=True)) @ np.append(point, 1)
        for weights, point in zip(model.lbs_weights, rest, strict=True)
    ]
    posed_joints = [move @ np.append(joint, 1) for move, joint in zip(moves, joints, strict=True)]
    return np.array(vertices)[:, :3] + heads["transl"], np.array(posed_joints)[:, :3] + heads["transl"]


@pytest.mark.parametrize("missing", [(), ("posedirs",), ("exprdirs",)])
def test_against_the_equations(missing: tuple[str, ...]) -> None:
    model = dataclasses.replace(flame_model(), **dict.fromkeys(missing))  # type: ignore[arg-type]
    heads = random_heads()
    if "exprdirs" in missing:
        del heads["expression"]
    got = evaluated_of(Flame.of(model, dtype=np.float64), heads)
    vertices, joints = _by_the_equations(model, heads)
    np.testing.assert_allclose(got["vertices"], vertices, rtol=0, atol=1e-13)
    np.testing.assert_allclose(got["joints"], joints, rtol=0, atol=1e-13)


def test_neutral_is_the_template(flame: Flame, only: Flame) -> None:
    for one, model in ((flame, flame_model()), (only, identity_model())):
        shaped = one.shaped()
        np.testing.assert_array_equal(shaped.vertices, model.v_template)
        np.testing.assert_allclose(shaped.posed().vertices, model.v_template, rtol=0, atol=1e-16)
    heads = {name: np.zeros_like(value) for name, value in random_heads().items()}
    np.testing.assert_allclose(evaluated_of(flame, heads)["vertices"], flame_model().v_template, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [0, 1], ids=["at zero", "anywhere"])
def test_derivatives_by_all_parameters(flame: Flame, size: int) -> None:
    x = size * np.concatenate(list(random_heads(seed=3).values()))
    forward = _forward(flame, x)
    step = 1e-6 * np.eye(len(x))
    ahead, behind = _by_vector(flame, x + step), _by_vector(flame, x - step)
    rng = np.random.default_rng(4)
    for name, jacobian in forward.items():
        numeric = np.moveaxis((ahead[name] - behind[name]) / 2e-6, 0, -1)
        np.testing.assert_allclose(jacobian, numeric, rtol=0, atol=1e-7 * max(1, np.abs(numeric).max()), err_msg=name)
        # The jaw and the eyes turn about their own joints, and a translation turns no normal.
        idle = {"vertices": 0, "joints": 9, "normals": 3}[name]
        assert (np.abs(numeric).max(axis=(0, 1)) > 1e-4).sum() == len(x) - idle
    weights = {name: rng.normal(size=value.shape[:-1]) for name, value in forward.items()}
    gradient = _gradient(flame, x, weights)
    wanted = sum(np.tensordot(weights[name], value, 2) for name, value in forward.items())
    np.testing.assert_allclose(gradient, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [(4,), (2, 3)])
def test_batches_are_loops(flame: Flame, batch: tuple[int, ...]) -> None:
    heads = random_heads(*batch)
    together = evaluated_of(flame, heads)
    for place in np.ndindex(batch):
        alone = evaluated_of(flame, {name: value[place] for name, value in heads.items()})
        for name, value in together.items():
            np.testing.assert_allclose(value[place], alone[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["betas", "expression", "jaw_pose", "transl"])
def test_one_parameter_against_a_batch_of_the_others(flame: Flame, name: str) -> None:
    one, many = random_heads(), random_heads(4, seed=1)
    for mixed in (many | {name: one[name]}, one | {name: many[name]}):
        full = {key: np.broadcast_to(value, (4, value.shape[-1])) for key, value in mixed.items()}
        wanted, got = evaluated_of(flame, full), evaluated_of(flame, mixed)
        for key in wanted:
            np.testing.assert_allclose(got[key], wanted[key], rtol=0, atol=1e-12)


def test_crossed_batches(flame: Flame) -> None:
    people, poses = random_heads(2, 1), random_heads(3, seed=1)
    got = evaluated_of(flame, poses | {"betas": people["betas"]})
    assert got["vertices"].shape == (2, 3, 42, 3)
    assert got["joints"].shape == (2, 3, 5, 3)
    alone = evaluated_of(flame, {key: value[2] for key, value in poses.items()} | {"betas": people["betas"][1, 0]})
    np.testing.assert_allclose(got["normals"][1, 2], alone["normals"], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="ncompatible shapes"):
        flame.shaped(random_heads(2)["betas"]).posed(jaw_pose=random_heads(3)["jaw_pose"])


def test_the_model_is_an_argument(flame: Flame) -> None:
    heads = random_heads(4)
    wanted = evaluated_of(flame, heads)["vertices"]
    mapped = jax.jit(jax.vmap(lambda flame, heads: posed_of(flame, heads).vertices, in_axes=(None, 0)))
    np.testing.assert_allclose(mapped(flame, heads), wanted, rtol=0, atol=1e-15)
    on_device = jax.tree.map(jnp.asarray, flame)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(on_device))
    np.testing.assert_allclose(mapped(on_device, heads), wanted, rtol=0, atol=1e-15)
    posed = jax.jit(posed_of)(flame, heads)
    np.testing.assert_allclose(posed.vertices, wanted, rtol=0, atol=1e-15)
    assert posed.flame.name == "made"


def test_rotations_in_three_ways(flame: Flame) -> None:
    heads = random_heads(2)
    wanted = evaluated_of(flame, heads)
    others: tuple[Rotations, ...] = ("matrix", "6d")
    for given_as in others:
        other = dict(heads)
        for name in JOINTS:
            matrix = Rotation.from_rotvec(heads[name]).as_matrix()
            # Six numbers are made orthonormal, so their length is free.
            other[name] = matrix if given_as == "matrix" else 3 * np.asarray(matrix_to_six(matrix))
        got = evaluated_of(flame, other, given_as)
        np.testing.assert_allclose(got["vertices"], wanted["vertices"], rtol=0, atol=1e-13)
        np.testing.assert_allclose(got["joints"], wanted["joints"], rtol=0, atol=1e-13)


def test_wrong_shapes(flame: Flame) -> None:
    shaped = flame.shaped()
    with pytest.raises(ValueError, match=r"end in \(3,\), not in shape \(2, 4\)"):
        shaped.posed(jaw_pose=np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"end in \(3, 3\), not in shape \(9,\)"):
        shaped.posed(jaw_pose=np.zeros(9), rotations="matrix")
    with pytest.raises(ValueError, match=r"end in \(6,\), not in shape \(3,\)"):
        shaped.posed(jaw_pose=np.zeros(3), rotations="6d")
    # With --shapes it is the annotation that refuses it.
    with pytest.raises((ValueError, TypeError)):
        shaped.posed(transl=np.zeros((2, 1)))
    with pytest.raises(ValueError, match="7 identity coefficients for head model 'made', which has 6 components"):
        flame.shaped(np.zeros(7))
    with pytest.raises(ValueError, match="5 expression coefficients for head model 'made', which has 4 components"):
        shaped.posed(expression=np.zeros((2, 5)))


def test_fewer_coefficients_are_the_first(flame: Flame) -> None:
    heads = random_heads(3)
    zeroed = {name: np.array(value) for name, value in heads.items()}
    zeroed["betas"][:, 2:] = 0
    zeroed["expression"][:, 1:] = 0
    fewer = heads | {"betas": heads["betas"][:, :2], "expression": heads["expression"][:, :1]}
    wanted = evaluated_of(flame, zeroed)
    small = Flame.of(flame_model(), identities=2, expressions=1, dtype=np.float64)
    assert (small.shapedirs.shape[0], small.exprdirs.shape[0]) == (2, 1)
    for model in (flame, small):
        got = evaluated_of(model, fewer)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="6 identity coefficients"):
        small.shaped(heads["betas"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"identities": 7}, "'made' has 6 identity components, not 7; ask for those it has"),
        ({"identities": -1}, "'made' has 6 identity components, not -1"),
        ({"expressions": 5}, "'made' has 4 expression components, not 5"),
        ({"vertex_ids": np.array([3, 42])}, "'made' has vertices 0 to 41, not those asked"),
        ({"vertex_ids": np.array([-1, 3])}, "'made' has vertices 0 to 41, not those asked"),
        ({"vertex_ids": np.zeros(0, int)}, "'made' has vertices 0 to 41, not those asked"),
    ],
)
def test_what_the_model_does_not_have(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Flame.of(flame_model(), **arguments)


def test_surface_points(flame: Flame) -> None:
    posed = jax.jit(posed_of)(flame, random_heads(2))
    corners, weights = np.array([[3, 4, 5], [7, 6, 5]]), np.array([[0.2, 0.3, 0.5], [0, 1, 0]])
    points = posed.surface_points(corners, weights)
    vertices = np.asarray(posed.vertices)
    np.testing.assert_allclose(points, np.einsum("pc,bpcd->bpd", weights, vertices[:, corners]), rtol=0, atol=1e-15)
    np.testing.assert_allclose(points[:, 1], vertices[:, 6], rtol=0, atol=0)


def test_landmarks(flame: Flame) -> None:
    rng = np.random.default_rng(5)
    marks = LandmarkEmbedding(rng.integers(0, len(flame.faces), 7), rng.dirichlet(np.ones(3), 7), name="seven")
    posed = posed_of(flame, random_heads(2))
    corners = np.asarray(flame.faces)[marks.face_idx]
    np.testing.assert_array_equal(posed.landmarks(marks), posed.surface_points(corners, marks.b_coords))
    beyond = LandmarkEmbedding(marks.face_idx + 99, marks.b_coords, name="beyond")
    with pytest.raises(InputError, match="'beyond' were not made for"):
        posed.landmarks(beyond)
    with pytest.raises(InputError, match="only some vertices"):
        Flame.of(flame_model(), vertex_ids=np.arange(30)).shaped().posed().landmarks(marks)


def test_identity_only(only: Flame) -> None:
    model, heads = identity_model(), random_heads(2)
    shaped = only.shaped(heads["betas"])
    rest = model.v_template + np.einsum("vdk,bk->bvd", model.shapedirs, heads["betas"])
    np.testing.assert_allclose(shaped.vertices, rest, rtol=0, atol=1e-15)
    posed = shaped.posed(global_orient=heads["global_orient"], transl=heads["transl"])
    turns = Rotation.from_rotvec(heads["global_orient"]).as_matrix()
    wanted = np.einsum("bij,bvj->bvi", turns, rest) + heads["transl"][:, None]
    np.testing.assert_allclose(posed.vertices, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(posed.joints[:, 0], heads["transl"], rtol=0, atol=1e-15)
    for name in JOINTS[1:]:
        with pytest.raises(InputError, match=f"'only' has no joints, so no {name}; use FLAME's full file"):
            shaped.posed(**{name: np.zeros(3)})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'only' has no expressions, only identity; use FLAME's file of 300"):
        shaped.posed(expression=np.zeros(3))


def test_units(flame: Flame) -> None:
    millimetres = Flame.of(flame_model().in_millimetres(), dtype=np.float64)
    assert millimetres.metres_per_unit == 1e-3
    heads = random_heads()
    scaled = heads | {"transl": 1000 * heads["transl"]}
    got, wanted = evaluated_of(millimetres, scaled), evaluated_of(flame, heads)
    np.testing.assert_allclose(got["vertices"], 1000 * wanted["vertices"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(got["joints"], 1000 * wanted["joints"], rtol=0, atol=1e-10)


def test_immutable(flame: Flame) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        flame.name = "other"  # type: ignore[misc]

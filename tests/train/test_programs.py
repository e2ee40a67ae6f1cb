"""The programs: what they depend on, what they give up, and that they move nothing."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from tests.training_made import SHORT, ToyTask, toy_programs


def test_a_batch_depends_on_the_data_seed_and_the_step_alone():
    task = ToyTask()

    def x(step: int, **changes: int) -> np.ndarray:
        programs = toy_programs(task, dataclasses.replace(SHORT, **changes))
        return np.asarray(programs.draw(task.constants, jnp.int32(step))[0]["x"])

    np.testing.assert_array_equal(x(5, seed=1), x(5, seed=2))
    assert not np.allclose(x(5), x(6))
    assert not np.allclose(x(5, data_seed=3), x(5, data_seed=4))
    expected = jax.random.normal(jax.random.fold_in(jax.random.key(SHORT.data_seed), 5), (8, 6))
    np.testing.assert_array_equal(x(5), expected)


def test_the_losses_key_depends_on_the_seed_and_the_step():
    def key(step: int, **changes: int) -> np.ndarray:
        programs = toy_programs(ToyTask(), dataclasses.replace(SHORT, **changes))
        return np.asarray(jax.random.key_data(programs.draw(ToyTask().constants, jnp.int32(step))[1]))

    np.testing.assert_array_equal(key(5), key(5, data_seed=9))
    assert not np.array_equal(key(5), key(6))
    assert not np.array_equal(key(5), key(5, seed=9))


def test_constants_are_not_compiled_in():
    programs = toy_programs(ToyTask())
    zeros = jax.tree.map(jnp.zeros_like, ToyTask().constants)
    np.testing.assert_array_equal(programs.draw(zeros, jnp.int32(0))[0]["y"], 0.0)


def test_the_state_is_given_up_and_its_parts_are_separate():
    task = ToyTask()
    programs = toy_programs(task)
    state = programs.init()
    assert jax.tree.map(lambda leaf: leaf.shape, state) == jax.tree.map(lambda leaf: leaf.shape, programs.state)
    batch, key, ahead = programs.draw(task.constants, state.step)
    after, _ = programs.step(state, task.constants, batch, key)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((after, batch, key)))
    assert int(ahead) == int(after.step) == 1


def test_programs_compile_from_shapes_alone():
    programs = toy_programs(ToyTask())
    key = jax.eval_shape(programs.draw, programs.constants, programs.state.step)[1]
    compiled = programs.step.lower(programs.state, programs.constants, programs.batch, key).compile()  # type: ignore[attr-defined]
    assert compiled.memory_analysis().alias_size_in_bytes > 0, "donated"

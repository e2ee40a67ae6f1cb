"""Starting from the weights of another run."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from fields.named_leaves import by_name
from flame_jax.errors import InputError
from tests.training_made import ToyTask, toy_programs
from train.checkpoints import Checkpoints
from train.initial_weights import read_any_weights, with_weights
from train.weights_file import write_weights


def test_parameters_and_average_are_replaced_and_nothing_else():
    programs = toy_programs(ToyTask())
    state = programs.init()
    weights = {name: np.full(leaf.shape, 0.5) for name, leaf in by_name(state.params).items()}
    begun = with_weights(state, weights, "other")
    for tree in (begun.params, begun.ema):
        for leaf, old in zip(jax.tree.leaves(tree), jax.tree.leaves(state.params), strict=True):
            assert (leaf.dtype, leaf.sharding) == (old.dtype, old.sharding)
            np.testing.assert_array_equal(leaf, 0.5)
    assert begun.opt_state is state.opt_state
    batch, key, _ = programs.draw(ToyTask().constants, begun.step)
    programs.step(begun, ToyTask().constants, batch, key)


def test_weights_of_another_model_are_refused():
    state = toy_programs(ToyTask()).init()
    weights = {name: np.asarray(leaf) for name, leaf in by_name(state.params).items()}
    weights["last.kernel"] = weights["last.kernel"].T
    with pytest.raises(InputError, match=r"^out/a: parameter last\.kernel is 3×16, in this model 16×3; give"):
        with_weights(state, weights, "out/a")


def test_weights_come_from_folders_and_from_files(tmp_path):
    state = toy_programs(ToyTask()).init()
    with Checkpoints(tmp_path / "checkpoints", keep=1) as checkpoints:
        checkpoints.save(state, {})
    from_folder = read_any_weights(tmp_path)
    write_weights(tmp_path / "w.npz", from_folder, {}, kind="float32")
    from_file = read_any_weights(tmp_path / "w.npz")
    for name, leaf in by_name(state.ema).items():
        np.testing.assert_array_equal(from_folder[name], leaf)
        np.testing.assert_array_equal(from_file[name], leaf)

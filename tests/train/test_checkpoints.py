"""Checkpoints: bitwise the same, whole or absent, and one line for what is damaged."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.named_leaves import by_name
from flame_jax.errors import InputError
from tests.training_made import ToyTask, toy_programs
from train.checkpoints import Checkpoints, read_checkpoint
from train.programs import Programs
from train.state import TrainState

ABOUT = {"experiment": "toy", "config": {"model": {"width": 16}}}


@pytest.fixture(scope="module")
def programs() -> Programs:
    return toy_programs(ToyTask())


@pytest.fixture(scope="module")
def state(programs: Programs) -> TrainState:
    """Three steps done, so that no part of it is what it was at first."""
    state, constants = programs.init(), ToyTask().constants
    for step in range(3):
        batch, key, _ = programs.draw(constants, jnp.int32(step))
        state, _ = programs.step(state, constants, batch, key)
    return state


@pytest.fixture
def saved(tmp_path: Path, state: TrainState) -> Path:
    """A run's folder with one checkpoint."""
    with Checkpoints(tmp_path / "checkpoints", keep=2) as checkpoints:
        checkpoints.save(state, ABOUT)
    return tmp_path


def at(state: TrainState, step: int) -> TrainState:
    return dataclasses.replace(state, step=jnp.int32(step))


def assert_same(one: Any, other: Any) -> None:
    assert str(jax.tree.structure(one)) == str(jax.tree.structure(other))
    for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)


def test_a_state_comes_back_bit_by_bit(saved, programs, state):
    with Checkpoints(saved / "checkpoints", keep=2) as checkpoints:
        assert checkpoints.latest() == 3
        back = checkpoints.restore(3, programs.state)
    assert_same(back, state)
    assert back.params["first"]["kernel"].sharding == programs.state.params["first"]["kernel"].sharding


@pytest.mark.parametrize("where", [".", "checkpoints", "checkpoints/3"])
def test_averaged_weights_and_the_record_are_read_without_a_model(saved, state, where):
    weights, about = read_checkpoint(saved / where)
    assert about == ABOUT | {"step": 3}
    assert all(type(array) is np.ndarray for array in weights.values())
    assert_same(weights, {name: np.asarray(leaf) for name, leaf in by_name(state.ema).items()})


def test_the_last_ones_stay(tmp_path, state):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest() is None
        for step in (8, 9, 10, 10):
            checkpoints.save(at(state, step), ABOUT)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["10", "9"]
    assert read_checkpoint(tmp_path)[1]["step"] == 10


def test_a_save_that_was_killed_leaves_no_checkpoint(saved, state, monkeypatch):
    import orbax.checkpoint as ocp

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    folder = saved / "checkpoints"
    with monkeypatch.context() as patch, Checkpoints(folder, keep=2) as checkpoints:
        patch.setattr(ocp.JsonCheckpointHandler, "finalize", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(at(state, 4), ABOUT)
    assert len(list(folder.iterdir())) == 2, "what is unfinished lies there, or the test shows nothing"
    assert read_checkpoint(saved)[1]["step"] == 3
    with Checkpoints(folder, keep=2) as checkpoints:
        assert checkpoints.latest() == 3
        checkpoints.save(at(state, 4), ABOUT)
    assert sorted(entry.name for entry in folder.iterdir()) == ["3", "4"]
    assert read_checkpoint(saved)[1]["step"] == 4


def damage_array(folder: Path) -> None:
    for file in (folder / "ema").rglob("d/*"):
        file.write_bytes(file.read_bytes()[:20])


def damage_all(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(b"{")


def damage_shape(folder: Path) -> None:
    file = folder / "about" / "metadata"
    about = json.loads(file.read_text(encoding="utf-8"))
    about["shapes"]["ema"]["first.bias"] = [8]
    file.write_text(json.dumps(about), encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        damage_array,
        damage_all,
        lambda folder: shutil.rmtree(folder / "about"),
        lambda folder: shutil.rmtree(folder / "ema" / "d"),
        damage_shape,
    ],
)
def test_a_damaged_checkpoint_is_one_line(saved, damage):
    damage(saved / "checkpoints" / "3")
    with pytest.raises(InputError, match=r"checkpoints/3: is no checkpoint, or a damaged one .*; give") as raised:
        read_checkpoint(saved)
    assert "\n" not in str(raised.value)


def test_a_damaged_checkpoint_is_not_continued_from(saved, programs):
    damage_array(saved / "checkpoints" / "3")
    with Checkpoints(saved / "checkpoints", keep=2) as checkpoints, pytest.raises(InputError, match="damaged"):
        checkpoints.restore(3, programs.state)


def test_another_model_s_checkpoint_names_what_differs(saved):
    other = toy_programs(ToyTask(width=32)).state
    with (
        Checkpoints(saved / "checkpoints", keep=2) as checkpoints,
        pytest.raises(InputError, match=r"parameter first\.bias is 16, in this model 32"),
    ):
        checkpoints.restore(3, other)


def test_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint; give"):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_checkpoint(tmp_path / "absent")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Checkpoints(tmp_path / "file" / "checkpoints", keep=1)

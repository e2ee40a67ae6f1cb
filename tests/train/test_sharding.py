"""Which device holds what, and that several compute what one does."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from flame_jax.errors import InputError
from tests.device_parity import in_eight_devices
from train.sharding import DATA, batch_sharding, everywhere, make_data_mesh, placed, state_shardings
from train.state import TrainState

EIGHT = AbstractMesh((8,), (DATA,), axis_types=(AxisType.Auto,))


def shape(*lengths: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(lengths, np.float32)


def test_eight_devices_compute_what_one_does():
    parity = in_eight_devices("tests.training_made:ToyTask")
    assert parity.devices == 8
    assert parity.split == 4, "the four matrices are split, or the test shows nothing of that"
    assert parity.loss < 1e-12
    assert len(parity.gradients) == 10
    assert max(parity.gradients.values()) < 1e-5


@pytest.mark.parametrize(
    ("lengths", "spec"),
    [
        ((64, 16), (DATA, None)),
        ((16, 64), (None, DATA)),
        ((3, 40, 16), (None, DATA, None)),
        ((17, 64), (None, DATA)),
        ((17, 63), ()),
        ((8, 8), ()),
        ((4096,), ()),
        ((), ()),
    ],
)
def test_large_matrices_are_split_along_their_longest_even_axis(lengths, spec):
    zero = shape()
    state = TrainState(zero, zero, {"a": shape(*lengths)}, {}, ())
    shardings = state_shardings(EIGHT, state, split_from=100)
    assert shardings.params["a"].spec == PartitionSpec(*spec)
    assert shardings.step.spec == PartitionSpec()


def test_one_device_holds_everything():
    assert make_data_mesh(jax.devices()[:1]).axis_types == (AxisType.Auto,)
    assert everywhere(make_data_mesh()).is_fully_replicated


def test_a_batch_is_split_along_its_leading_axis():
    assert batch_sharding(EIGHT, {"x": shape(16, 5), "y": shape(16)}, 16).spec == PartitionSpec(DATA)


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(InputError, match=r"training\.batch is 12; give a multiple of 8"):
        batch_sharding(EIGHT, {"x": shape(12, 5)}, 12)


def test_a_leaf_that_does_not_count_examples_is_named():
    with pytest.raises(ValueError, match=r"the batch's inner\.y has shape \(5, 16\)"):
        batch_sharding(EIGHT, {"inner": {"y": shape(5, 16)}}, 16)


def test_shapes_say_where_they_lie():
    where = everywhere(EIGHT)
    assert placed({"a": shape(3), "b": shape()}, where)["b"].sharding == where
    assert placed({"a": shape(3)}, {"a": where})["a"].sharding == where

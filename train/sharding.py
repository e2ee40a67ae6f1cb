"""Which device holds what: decided here, from shapes alone.

There is one mesh axis, `data`. Batches are split along it. Parameters, their average and the optimiser's moments are on
every device, except large ones, which are split along the same axis and gathered where they are used (Rajbhandari et
al., *ZeRO*, 2020). No layer of ours outgrows a device, so a second axis, which splits a layer's arithmetic, would only
cost communication.

The axis is of type Auto: the compiler carries shardings through the model, whose code is the same for one device and
for a pod. The type Explicit would make shardings part of every array's type, and each look-up in a grid and each
reshape in a model would have to say where its result lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from flame_jax.errors import InputError
from train.state import TrainState

DATA = "data"
SPLIT_FROM = 1 << 20
"""Numbers in an array that is worth splitting: below this (4 MB) the room saved does not pay for the gathering."""


def make_data_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh of these devices, by default of all devices of all processes."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (DATA,), axis_types=(AxisType.Auto,), devices=devices)


def everywhere(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh | AbstractMesh, batch: Any, size: int) -> NamedSharding:
    """Sharding of a batch, given the shapes of its leaves: each is split along its leading axis.

    One for all, and no pytree of them: a batch's type may say that it holds arrays.

    Raises:
        InputError: The batch cannot be shared out evenly.
        ValueError: A leaf has no leading axis of length `size`; the message names it.
    """
    if size % mesh.size:
        raise InputError(f"training.batch is {size}; give a multiple of {mesh.size}, the number of devices")
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        if leaf.shape[:1] != (size,):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise ValueError(
                f"the batch's {name} has shape {leaf.shape}: the first axis does not count {size} examples"
            )
    return NamedSharding(mesh, PartitionSpec(DATA))


def state_shardings(mesh: Mesh | AbstractMesh, state: TrainState, *, split_from: int = SPLIT_FROM) -> TrainState:
    """Shardings of a state, given its shapes: arrays of `split_from` numbers or more are split if they can be."""
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _split(leaf.shape, mesh.size, split_from)), state)


def placed(shapes: Any, shardings: Any) -> Any:
    """Shapes that say where they lie, given one sharding for all or a pytree of them."""

    def at(leaf: Any, where: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where)

    if isinstance(shardings, NamedSharding):
        return jax.tree.map(lambda leaf: at(leaf, shardings), shapes)
    return jax.tree.map(at, shapes, shardings)


def _split(shape: tuple[int, ...], parts: int, split_from: int) -> PartitionSpec:
    """Along the longest axis that can be split evenly; nothing where there is none."""
    even = [axis for axis, length in enumerate(shape) if length % parts == 0]
    if math.prod(shape) < split_from or len(shape) < 2 or not even:
        return PartitionSpec()
    longest = max(even, key=lambda axis: shape[axis])
    return PartitionSpec(*(DATA if axis == longest else None for axis in range(len(shape))))

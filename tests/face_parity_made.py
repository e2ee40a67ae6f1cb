"""The debug experiment's task in double precision, for `tests.device_parity`: batches are made beforehand."""

from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from configs.faces import DEBUG
from fields.face_field import FaceField
from tests.device_parity import BATCH
from train.face_batches import FaceBatch
from train.face_task import FaceConstants, FaceTask

PATH = "S2F_TEST_FACE_CONSTANTS"
"""Environment variable: where `write_constants` has left what the other process needs."""


@dataclasses.dataclass(frozen=True)
class DoubleFaceTask(FaceTask):
    """Its batches are the validation skulls in an order that the key says; no parameter is zero."""

    def make_model(self, seed: int) -> FaceField:
        graphdef, params = nnx.split(super().make_model(seed))
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.key(seed), len(leaves))
        leaves = [
            jnp.asarray(leaf, jnp.float64) + 0.02 * jax.random.normal(key, leaf.shape, jnp.float64)
            for leaf, key in zip(leaves, keys, strict=True)
        ]
        return nnx.merge(graphdef, jax.tree.unflatten(tree, leaves))

    def draw_batch(self, constants: FaceConstants, key: jax.Array, size: int) -> FaceBatch:
        order = jax.random.permutation(key, len(constants.validation.fullness))[:size]
        return jax.tree.map(lambda array: jnp.asarray(array)[order], constants.validation)


def write_constants(path: Path, task: FaceTask) -> None:
    """Keep a task's constants, with as many skulls as a batch has: some with known fullness, two of unknown heads."""
    constants = task.constants
    seen = jax.tree.map(lambda array: np.resize(np.asarray(array), (BATCH, *array.shape[1:])), constants.validation)
    codes, fullness = seen.codes.copy(), seen.fullness.copy()
    codes[:2], fullness[::2] = np.nan, np.linspace(-1.0, 1.0, len(fullness[::2]))
    seen = dataclasses.replace(seen, codes=codes, fullness=fullness)
    needed: Any = (constants.prior, constants.rows, seen)
    path.write_bytes(pickle.dumps(jax.tree.map(np.asarray, needed)))


def double_face_task() -> DoubleFaceTask:
    """In the other process."""
    prior, rows, seen = jax.tree.map(_double, pickle.loads(Path(os.environ[PATH]).read_bytes()))
    constants = FaceConstants(prior, None, rows, seen)  # type: ignore[arg-type]
    return DoubleFaceTask(DEBUG.field, DEBUG.data, DEBUG.loss, constants)


def _double(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array

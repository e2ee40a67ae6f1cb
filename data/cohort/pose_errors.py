"""How far off our own aligner is on damaged skulls, as measured, so that networks are trained with its errors.

Each error is a rigid motion: where `data.align.align_skull` puts a skull, from where the skull of its person lies in
the head frame. Cases draw from the measured ones at random (a bootstrap; Efron 1979), so that the errors keep their
correlations and their long tails.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Key

from flame_jax.array_archive import read_arrays
from flame_jax.errors import InputError
from flame_jax.model import Array
from flame_jax.rotations import axis_angle_to_matrix
from flame_jax.whole_file import whole_file

_REMEDY = "measure them with s2f bench align --out"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PoseErrors:
    """Measured errors of the aligner. A pytree."""

    turns: Float[Array, "*batch errors 3"]
    """Rotation vectors about the origin of the head frame, radians."""
    shifts: Float[Array, "*batch errors 3"]
    """Translations of the origin, mm."""

    def draw(self, key: Key[jax.Array, ""]) -> Float[jax.Array, "4 4"]:
        """One of the errors at random, as a rigid transform: from the head frame to where the aligner puts it."""
        index = jax.random.randint(key, (), 0, len(self.turns))
        top = jnp.concatenate(
            [axis_angle_to_matrix(jnp.asarray(self.turns)[index]), jnp.asarray(self.shifts)[index][:, None]], axis=1
        )
        return jnp.concatenate([top, jnp.array([[0.0, 0.0, 0.0, 1.0]])])


def no_pose_errors() -> PoseErrors:
    """Of a perfect aligner."""
    return PoseErrors(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32))


def write_pose_errors(path: Path, errors: PoseErrors) -> None:
    """Write a compressed `.npz`. Raises `InputError` where the place cannot be written."""
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, turns=np.asarray(errors.turns), shifts=np.asarray(errors.shifts))


def read_pose_errors(path: Path) -> PoseErrors:
    """Read them. Raises `InputError` for a missing file and for one that holds something else; nothing in it is run."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_REMEDY}")
    stored = read_arrays(path, ("turns", "shifts"))
    if stored is None or not _fits(**stored):
        raise InputError(f"{path}: no errors of an aligner, or damaged; {_REMEDY}")
    return PoseErrors(**{name: array.astype(np.float32) for name, array in stored.items()})


def _fits(turns: np.ndarray, shifts: np.ndarray) -> bool:
    """Whether the arrays hold finite numbers in the shapes of `PoseErrors`."""
    shaped = turns.ndim == 2 and turns.shape[1:] == (3,) and shifts.shape == turns.shape and len(turns) > 0
    return shaped and all(array.dtype.kind in "iuf" and np.isfinite(array).all() for array in (turns, shifts))

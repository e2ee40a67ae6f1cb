"""Harm drawn for the shipped prior's own skull. What takes long is made once for all tests.

All draws go through one program, whatever the severities: `traces` tells how often it was traced. `Harm`, `Harmed` and
`Seen` come with arrays of numpy.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data.cohort.broken import apply_harm
from data.cohort.broken_mesh import broken_mesh
from data.cohort.harm import ALL_TRIANGLES, Harm, draw_harm
from data.cohort.seen import Samples, in_scan_and_seen, make_samples, observed
from data.cohort.severities import Severities
from fields.mesh import Mesh
from tests.skeleton_made import shipped_skeleton

DRAWS = 2_000
POINTS = 16_384
SHUT = np.eye(4, dtype=np.float32)
"""Motion of a jaw that is closed."""

traces: list[str] = []
"""An entry for each time that the program which draws was traced."""


def _draw(*args: Any) -> Harm:
    traces.append("draw_harm")
    return draw_harm(*args)


# All arrays are arguments: as constants XLA would fold them, which takes minutes.
_draw_many = jax.jit(jax.vmap(_draw, in_axes=(0, None, None, None)))
_apply, _in_scan_and_seen = jax.jit(apply_harm), jax.jit(in_scan_and_seen)
_observed = jax.jit(observed, static_argnums=5)


@functools.cache
def shipped_samples() -> Samples:
    """Places on the shipped prior's skeleton."""
    return make_samples(shipped_skeleton())


def drawn(keys: jax.Array, severities: Severities, scale: float = 1.0) -> Any:
    """Harm of as many skulls as there are keys, which should always be DRAWS; of a head `scale` times as large."""
    skeleton = shipped_skeleton()
    return jax.tree.map(
        lambda leaf: leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf),
        _draw_many(keys, severities, skeleton, np.float32(scale) * skeleton.rest),
    )


@functools.cache
def at_level(level: float) -> Any:
    """DRAWS skulls with the same severity for all kinds."""
    return drawn(jax.random.split(jax.random.key(0), DRAWS), Severities.all(level))


@functools.cache
def only(kind: str, level: float = 1.0) -> Any:
    """DRAWS skulls with one kind alone, whether or not it happens."""
    return drawn(jax.random.split(jax.random.key(1), DRAWS), Severities.all(0.0).with_kinds({kind: level}))


def one(harms: Any, index: int | np.integer[Any], *, decimated: bool = False) -> Any:
    """One of many, as fine as it is unless `decimated`."""
    single = jax.tree.map(lambda leaf: leaf[index] if isinstance(leaf, jax.Array) else np.asarray(leaf[index]), harms)
    return single if decimated else dataclasses.replace(single, triangles=np.asarray(ALL_TRIANGLES, np.int32))


def unharmed(**changes: Any) -> Any:
    """A skull to which nothing happens but what is told: values of `Harm`."""
    arrays = {name: np.asarray(value) if isinstance(value, np.generic) else value for name, value in changes.items()}
    return dataclasses.replace(one(at_level(0.0), 0), **arrays)


def harmed(harm: Harm, T_open_closed: np.ndarray = SHUT) -> Any:
    """The shipped prior's skull after harm."""
    skeleton = shipped_skeleton()
    return jax.tree.map(np.asarray, _apply(harm, skeleton, skeleton.rest, T_open_closed))


def seen_values(harm: Harm, after: Any) -> np.ndarray:
    """`data.cohort.seen.in_scan_and_seen` at the vertices."""
    return np.asarray(_in_scan_and_seen(harm, after, shipped_skeleton(), shipped_samples()))


def as_mesh(harm: Harm, T_open_closed: np.ndarray = SHUT) -> Mesh:
    """The form that goes into files."""
    return broken_mesh(harm, shipped_skeleton(), shipped_samples(), shipped_skeleton().rest, T_open_closed)


def as_points(harm: Harm, T_open_closed: np.ndarray = SHUT, seed: int = 0, count: int = POINTS) -> Any:
    """The form that an accelerator makes for itself. Another `count` than POINTS compiles anew."""
    after = harmed(harm, T_open_closed)
    seen = _observed(jax.random.key(seed), harm, after, shipped_skeleton(), shipped_samples(), count)
    return jax.tree.map(np.asarray, seen)

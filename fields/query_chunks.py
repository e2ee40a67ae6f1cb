"""Work on many queries a few at a time: the memory is that of one chunk, and queries that need much wait only for each
other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Int

CHUNK = 1024
"""Queries in a chunk."""

Result = TypeVar("Result")


def chunked(work: Callable[..., Result], *arrays: jax.Array) -> Result:
    """`work(*arrays)`, computed on `CHUNK` rows at a time.

    Args:
        work: Takes arrays of equally many rows, each row for itself, and returns such arrays in any pytree.
        arrays: Equally many rows each. The last row is repeated to fill the last chunk.
    """
    total = len(arrays[0])
    chunk = max(1, min(CHUNK, total))
    count = -(-total // chunk)

    def split(array: jax.Array) -> jax.Array:
        rows = jnp.minimum(jnp.arange(count * chunk), total - 1)
        return array[rows].reshape(count, chunk, *array.shape[1:])

    results = jax.lax.map(lambda parts: work(*parts), tuple(split(array) for array in arrays))
    return jax.tree.map(lambda array: array.reshape(count * chunk, *array.shape[2:])[:total], results)


def chunked_by_need(need: Int[jax.Array, " rows"], work: Callable[..., Result], *arrays: jax.Array) -> Result:
    """The same, with rows of about the same `need` in each chunk: `work` may loop until its last row is done."""
    order = jnp.argsort(need)
    results = chunked(work, *(array[order] for array in arrays))
    return jax.tree.map(lambda array: jnp.zeros_like(array).at[order].set(array, unique_indices=True), results)

"""Batches drawn while the step before is running."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import jax

from train.programs import Programs
from train.task import Batch, Constants

Drawn = tuple[Batch, jax.Array]
"""A batch, and the key of its step."""


def drawn_ahead(programs: Programs, constants: Constants, first: jax.Array, count: int) -> Iterator[Drawn]:
    """`count` batches, from that of the step `first` on: the next one is drawn while the caller uses one.

    On a CPU JAX runs what one thread asks for one after the other, so a thread of its own asks for batches. Several
    processes have to ask for everything in the same order, so there the one thread does, and the devices have queues.
    """
    if jax.process_count() > 1:
        following = programs.draw(constants, first)
        for number in range(count):
            batch, key, ahead = following
            if number + 1 < count:
                following = programs.draw(constants, ahead)
            yield batch, key
        return
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_drawn, programs, constants, first)
        for number in range(count):
            batch, key, ahead = waiting.result()
            if number + 1 < count:
                waiting = pool.submit(_drawn, programs, constants, ahead)
            yield batch, key


def _drawn(programs: Programs, constants: Constants, step: jax.Array) -> Any:
    with jax.transfer_guard("disallow"):
        return jax.block_until_ready(programs.draw(constants, step))

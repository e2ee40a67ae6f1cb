"""Wall times of programs that are compared: in turn, so that whatever slows the machine slows them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float


def in_turn(programs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Float[np.ndarray, " rounds"]]:
    """Seconds of each program in each round, all of them once per round, after one round that does not count.

    What a program returns is waited for, on whatever device it is computed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            taken = _seconds(program)
            if number:
                seconds[name].append(taken)
    return {name: np.array(values) for name, values in seconds.items()}


def compiled(function: Callable[..., Any], *args: Any) -> tuple[Callable[..., Any], float]:
    """A jitted function, compiled for arguments of these shapes, and the seconds that tracing and compiling it took: by
    how much its first call was slower than its second.

    A cache of compiled programs is not asked, since a cached program compiles in no time.
    """
    # A function of its own, for JAX remembers what it compiled by the function.
    program = jax.jit(lambda *args: function(*args))
    asked = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        first, second = (_seconds(program, *args) for _ in range(2))
    finally:
        jax.config.update("jax_enable_compilation_cache", asked)
    return program, max(first - second, 0.0)


def _seconds(program: Callable[..., object], *args: Any) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program(*args))
    return time.perf_counter() - start

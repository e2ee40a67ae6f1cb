"""A JAX function of parameters and points, called with any number of points of the host and compiled once."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

_IN_FLIGHT = 8
"""Chunks that the device may have before it is waited for: it is never idle, and never holds more."""


@dataclasses.dataclass(frozen=True)
class JittedChunks:
    """`function(parameters, points (chunk, 3)) -> (chunk,)`, jitted. One program serves all parameters of the same
    shapes, any number of points, and one mesh after the other: keep this object as long as there are meshes to make."""

    function: Callable[[Any, jax.Array], jax.Array]
    """Traceable; each point for itself."""
    chunk: int = 8192
    """Points in a call. The last is filled up, so that many small questions to a wide chunk waste most of it."""

    @functools.cached_property
    def _program(self) -> Callable[[Any, Any], jax.Array]:
        # A function of its own, for JAX remembers what it compiled by the function.
        return jax.jit(lambda parameters, points: self.function(parameters, points))

    def __call__(self, parameters: Any, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
        """Values at points of the host, in single precision.

        Raises:
            ValueError: The function does not return one number for each point.
        """
        values = np.empty(len(points), dtype=np.float32)
        waiting: deque[tuple[int, jax.Array]] = deque()

        def take() -> None:
            start, found = waiting.popleft()
            count = min(self.chunk, len(points) - start)
            values[start : start + count] = np.asarray(found)[:count]

        for start in range(0, len(points), self.chunk):
            part = np.zeros((self.chunk, 3), dtype=np.float32)
            count = min(self.chunk, len(points) - start)
            part[:count] = points[start : start + count]
            # Not zeros: far from a field's domain a loop could take longest of all.
            part[count:] = part[count - 1]
            found = self._program(parameters, part)
            if found.shape != (self.chunk,):
                raise ValueError(f"a field gives one number for each of {self.chunk} points, not shape {found.shape}")
            waiting.append((start, found))
            if len(waiting) > _IN_FLIGHT:
                take()
        while waiting:
            take()
        return values

    def of(self, parameters: Any) -> Callable[[Float[np.ndarray, "points 3"]], Float[np.ndarray, " points"]]:
        """The field of these parameters, as a function of points. They are laid on the device once."""
        return functools.partial(self, jax.device_put(parameters))

"""Whether parameters by name (`fields.named_leaves`) are those of a model, and how many numbers there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from flame_jax.errors import InputError


def check_fit(source: object, named: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `InputError` that names a parameter which `source` lacks, has too many, or has in another shape.

    Args:
        source: Where the parameters come from, for the message.
        named: What there is: anything with a shape, by name.
        wanted: What the model has.
    """
    remedy = "give weights of the same model"
    for name, leaf in wanted.items():
        if name not in named:
            raise InputError(f"{source}: has no parameter {name}, which this model has; {remedy}")
        there, here = tuple(named[name].shape), tuple(leaf.shape)
        if there != here:
            raise InputError(f"{source}: parameter {name} is {_size(there)}, in this model {_size(here)}; {remedy}")
    if more := sorted(set(named) - set(wanted)):
        raise InputError(f"{source}: has a parameter {more[0]}, which this model has not; {remedy}")


def count(tree: Any) -> int:
    """How many numbers a pytree of arrays holds."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if shape else "one number"

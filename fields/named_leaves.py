"""Leaves of a pytree by name, as files hold them: `encoder.layers.0.kernel` and the array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax


def by_name(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree, each by its path with dots between the parts."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def with_structure_of(tree: Any, named: Mapping[str, Any]) -> Any:
    """A pytree of the structure of `tree` that holds the leaves `named`, which has all of its names."""
    return jax.tree.unflatten(jax.tree.structure(tree), [named[name] for name in by_name(tree)])

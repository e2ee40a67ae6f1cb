"""Leaves of a pytree by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from fields.named_leaves import by_name, with_structure_of

TREE: dict[str, Any] = {
    "encoder": {"layers": {0: {"kernel": np.ones((2, 3))}, 1: {"kernel": np.zeros(3)}}},
    "scale": np.float32(2),
}


def test_names_go_there_and_back():
    named = by_name(TREE)
    assert set(named) == {"encoder.layers.0.kernel", "encoder.layers.1.kernel", "scale"}
    shuffled = dict(reversed(named.items()))
    back = with_structure_of(TREE, shuffled)
    assert back["encoder"]["layers"][0]["kernel"] is TREE["encoder"]["layers"][0]["kernel"]

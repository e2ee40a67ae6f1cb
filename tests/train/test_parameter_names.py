"""Whether weights fit a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fields.named_leaves import by_name
from flame_jax.errors import InputError
from train.parameter_names import check_fit, count

TREE: dict[str, Any] = {
    "encoder": {"layers": {0: {"kernel": np.ones((2, 3))}, 1: {"kernel": np.zeros(3)}}},
    "scale": np.float32(2),
}


def test_numbers_are_counted():
    assert count(TREE) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": None}, "has no parameter scale, which this model has"),
        ({"scale": np.ones(2)}, "parameter scale is 2, in this model one number"),
        ({"encoder.layers.0.kernel": np.ones((3, 2))}, "parameter encoder.layers.0.kernel is 3×2, in this model 2×3"),
        ({"extra": np.ones(2)}, "has a parameter extra, which this model has not"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    wanted = by_name(TREE)
    check_fit("w.npz", wanted, wanted)
    named = {name: leaf for name, leaf in (wanted | change).items() if leaf is not None}
    with pytest.raises(InputError, match=f"^w.npz: {message}; give"):
        check_fit("w.npz", named, wanted)

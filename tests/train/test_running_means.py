"""Means over steps."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from train.running_means import add, means


def test_means_leave_out_what_is_not_finite():
    sums: Any = None
    for loss, count in ((1.0, 1), (np.nan, 2), (4.0, 6)):
        sums = add(sums, {"loss": jnp.float32(loss), "count": jnp.int32(count), "bad": jnp.float32(np.inf)})
    told = means(sums)
    assert (told["loss"], told["count"]) == (2.5, 3.0)
    assert np.isnan(told["bad"])

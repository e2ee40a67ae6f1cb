"""Made heads of `flame_model`, and what the forward pass gives for them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from flame_jax.flame import JOINTS, Flame, Posed
from flame_jax.rotations import Rotations

WIDTHS = {"betas": 6, "expression": 4} | dict.fromkeys(JOINTS, 3) | {"transl": 3}
"""Numbers of each parameter of `flame_model`."""


def random_heads(*batch: int, seed: int = 0) -> dict[str, Any]:
    """Parameters of heads of `flame_model`, standard normal."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(*batch, width)) for name, width in WIDTHS.items()}


def posed_of(flame: Flame, heads: dict[str, Any], rotations: Rotations = "axis_angle") -> Posed:
    """The last stage of the model for them."""
    rest = dict(heads)
    return flame.shaped(rest.pop("betas", None)).posed(**rest, rotations=rotations)


@functools.partial(jax.jit, static_argnums=2)
def evaluated_of(flame: Flame, heads: dict[str, Any], rotations: Rotations = "axis_angle") -> dict[str, jax.Array]:
    """Vertices, joints and normals of them."""
    posed = posed_of(flame, heads, rotations)
    return {"vertices": posed.vertices, "joints": posed.joints, "normals": posed.normals}

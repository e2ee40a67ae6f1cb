"""Controls of the shipped prior under both variants' assumptions, made once for all tests."""

from __future__ import annotations

import functools

import numpy as np

from data.cohort.controls import Controls, make_controls
from data.cohort.variants import VARIANTS
from tests.skulls_made import shipped_prior


@functools.cache
def controls_of(variant: str) -> Controls:
    """Of the variant of that name."""
    return make_controls(shipped_prior(), VARIANTS[variant])


def unhurt(controls: Controls, betas: np.ndarray) -> dict[str, np.ndarray]:
    """Where the controls lie under a head when nothing departs from its mean."""
    moved = controls.open(controls.follow @ betas[:, None]) + controls.effect @ (controls.target @ betas[:, None])
    return dict(zip(controls.names, controls.points + moved[:, :, 0], strict=True))


def mirrored(name: str) -> str:
    """The other side's name; a midline point's own."""
    return {"_l": name[:-2] + "_r", "_r": name[:-2] + "_l"}.get(name[-2:], name)

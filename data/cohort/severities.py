"""How badly skulls are damaged and scanned: one number for each thing that happens to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float

from flame_jax.errors import InputError

Severity = Float[jax.Array | np.ndarray, "*batch"] | float


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Severities:
    """One severity per kind: 0 is never, 1 the default, more is worse. A pytree of numbers, so that `jax.jit` takes
    them as arguments and does not compile again for others.

    A kind whose chance is p by default happens with chance 1 − (1 − p)^severity. Where it happens, its size lies
    between a least and a worst at the share U^(1/severity) of the way, U uniform from 0 to 1: evenly by default, nearer
    to the worst with more, and never beyond what is plausible.

    The chances and sizes stand in `data.cohort.harm`. They are a mixture to train on and not a statistic: no count of
    what happens to skulls is public, so each is chosen high enough that it is met often and low enough that about
    half of the skulls keep their faces.
    """

    mandible_missing: Severity = 1.0
    mandible_displaced: Severity = 1.0
    """In the grave: the person's jaw was closed."""
    jaw_open: Severity = 1.0
    """Open in life, with the face open too."""
    teeth_lost: Severity = 1.0
    """Some, after death or before."""
    edentulous: Severity = 1.0
    """All teeth of a jaw, long before death, so that the ridge is resorbed."""
    calvarium_cut: Severity = 1.0
    """Sawn off above the brow."""
    view_cut: Severity = 1.0
    """The scan ends in the head: above, below or behind. Of CTs."""
    half: Severity = 1.0
    """Parted near the midsagittal plane."""
    holes: Severity = 1.0
    cracks: Severity = 1.0
    outside_only: Severity = 1.0
    """A laser scan, which shows what is seen from outside; otherwise a CT, which shows all walls."""
    vertebrae: Severity = 1.0
    """Left in a CT."""
    tube: Severity = 1.0
    """Left in a CT."""
    streaks: Severity = 1.0
    """About the teeth, in a CT."""
    thin_bone: Severity = 1.0
    """Lost in a CT whose voxels it does not fill."""
    staircase: Severity = 1.0
    """Of a CT's voxels."""
    noise: Severity = 1.0
    decimation: Severity = 1.0
    """Of files."""
    pose: Severity = 1.0
    """Of files: 0 leaves them in the head frame, and anything else turns and shifts them at random."""

    @classmethod
    def all(cls, level: float) -> Severities:
        """The same severity for every kind. Raises `InputError` if it is negative or not finite."""
        _check(level)
        return cls(*[float(level)] * len(dataclasses.fields(cls)))

    def with_kinds(self, levels: Mapping[str, float]) -> Severities:
        """Others for some kinds, by name. Raises `InputError` for an unknown kind or an impossible severity."""
        known = [field.name for field in dataclasses.fields(self)]
        for kind, level in levels.items():
            if kind not in known:
                raise InputError(f"damage '{kind}' is unknown; give one of {', '.join(known)}")
            _check(level)
        return dataclasses.replace(self, **{kind: float(level) for kind, level in levels.items()})


def _check(level: float) -> None:
    if not (np.isfinite(level) and level >= 0.0):
        raise InputError(f"damage {level:g}: give 0 (none), 1 (default) or any larger number")

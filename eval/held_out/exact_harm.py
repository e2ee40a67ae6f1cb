"""Harm of a given size, the same for every skull of a test set, in place of what is drawn: what sensitivity is measured
with, since `data.cohort.severities` mixes how often with how badly.

Head frame, mm. What is done to bone and voxels is `data.cohort.broken`'s; only its numbers are set here.
"""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.cohort.harm import Harm
from data.cohort.skeleton import Part, Skeleton
from flame_jax.model import Array

_TERRACES, _THINNEST = 0.45, 0.5
"""Of a CT: how far surfaces are drawn to the voxels' boundaries, and which share of a voxel bone must fill. The middle
of what `data.cohort.harm` draws."""
_NOISE_LENGTH_MM = 10.0
"""Of the smooth half of the noise; likewise."""


@dataclasses.dataclass(frozen=True)
class ExactHarm:
    """What happens to every skull. Nothing by default."""

    mandible_missing: bool = False
    calvarium_cut: float | None = None
    """Share of the vault's height over the Frankfurt plane at which it is sawn off, level; the brow is at 0.28 of the
    prior's skull."""
    half: bool = False
    """The subject's left half is left, parted at the midsagittal plane."""
    noise_mm: float = 0.0
    """Standard deviation of the scanner's noise: half of its variance from vertex to vertex, half smooth."""
    voxel_mm: float = 0.0
    """Edge of a CT's cubic voxels, which lie in any direction: terraces, and bone lost that does not fill them."""

    def on(self, harm: Harm, skeleton: Skeleton, vertices: Float[Array, "vertices 3"]) -> Harm:
        """One skull's harm with these numbers; what is not set stays as it was.

        Args:
            harm: Of a CT.
            skeleton: What `vertices` are.
            vertices: The person's skeleton with the jaw shut, head frame, mm.
        """
        part = np.asarray(skeleton.part)
        present, planes = jnp.asarray(harm.present), jnp.asarray(harm.bone_planes)
        if self.mandible_missing:
            present = present.at[Part.MANDIBLE].set(False)
        if self.calvarium_cut is not None:
            vault = float(np.asarray(vertices)[part == Part.CRANIUM, 1].max())
            planes = planes.at[0].set(jnp.array([0.0, -1.0, 0.0, self.calvarium_cut * vault]))
        if self.half:
            planes = planes.at[1].set(jnp.array([1.0, 0.0, 0.0, 0.0]))
        harm = dataclasses.replace(harm, present=present, bone_planes=planes)
        if self.noise_mm:
            each = jnp.asarray(self.noise_mm / math.sqrt(2.0), jnp.float32)
            length = jnp.asarray(_NOISE_LENGTH_MM, jnp.float32)
            harm = dataclasses.replace(harm, rough_noise=each, smooth_noise=each, noise_length=length)
        if self.voxel_mm:
            harm = dataclasses.replace(
                harm,
                voxel=jnp.full(3, self.voxel_mm, jnp.float32),
                terraces=jnp.asarray(_TERRACES, jnp.float32),
                thinnest=jnp.asarray(_THINNEST * self.voxel_mm, jnp.float32),
            )
        return harm


NO_HARM = ExactHarm()

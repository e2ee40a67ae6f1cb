"""How much each term of a face field's loss counts. Imports nothing heavy: the command line offers it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """How much each term counts."""

    likelihood: float = 1.0
    """Of the posterior, per number of the code."""
    surface: float = 1.0
    """Mean distance along the normal between the head of the posterior's mean and the true one, per mm."""
    distance: float = 0.5
    """Signed distances, per mm."""
    eikonal: float = 0.05
    normal: float = 0.05
    bone: float = 0.1
    """Bone outside of the skin, per mm."""
    roughness: float = 0.5
    """Slope of the residual deformation and correction, squared: skin does not wrinkle to explain noise."""
    size: float = 0.002
    """Of the residual, per mm²: what the head can express is not the residual's to say."""

"""How large a face field is, and which of its parts there are. Imports nothing heavy: the command line offers it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Representation = Literal["implicit", "parametric", "hybrid"]
"""What a face is handed out as: the zero level of f, the head model's coefficients alone, or the head moved onto f."""


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Size of a skull encoder.

    For an encoder of another kind, subclass this (frozen, all fields with defaults) and override `make`.
    """

    width: int = 64
    """Of the tokens."""
    blocks: int = 2
    """Of the transformer."""
    heads: int = 4
    global_width: int = 192
    squeezed: int = 16
    """Numbers of each token that the global code is made of."""
    rounds: int = 5
    """Of the linear estimate."""

    def make(self, anchors: int, code: int, *, rngs: Any) -> Any:
        """The encoder: a `flax.nnx.Module` with the `__call__` and the `fold` of `fields.skull_encoder.SkullEncoder`,
        tokens of `width` numbers and a global code of `global_width`. `code` is the length of the estimate."""
        from fields.skull_encoder import SkullEncoder

        return SkullEncoder(self, anchors, code, rngs=rngs)


@dataclasses.dataclass(frozen=True)
class ResidualConfig:
    """Size of the residual field."""

    width: int = 96
    layers: int = 3
    overall: int = 32
    """Numbers taken from the global code."""
    scale_mm: float = 2.0
    """Of the deformation and the correction when the network says 1."""


@dataclasses.dataclass(frozen=True)
class FieldConfig:
    """What a field is made of."""

    residual_modes: int = 40
    """Smooth modes beside the head model's: what it cannot express."""
    anchors: int = 256
    """Places on the skull that become tokens; a multiple of 64, or less."""
    rank: int = 32
    """Of the posterior's factor."""
    warp: bool = True
    """Whether space is carried along by the head that the skull implies. Without, there is only the residual field:
    no head model but for its mean."""
    residual: bool = True
    """Whether there is a residual field."""
    template: bool = True
    """Whether distances begin with the mean head's. Without, and without the warp, they begin with a sphere's, and the
    residual field's correction is a DeepSDF decoder (Park et al., CVPR 2019): no head model at all."""
    encoder: EncoderConfig = dataclasses.field(default_factory=EncoderConfig)
    field: ResidualConfig = dataclasses.field(default_factory=ResidualConfig)

"""The constants of the encoder's linear estimate: regressions between what anchors see and the code of the face.

Fitted in closed form on whole skulls before training (`train.fit_first_estimate`); training learns departures from it.
"""

from __future__ import annotations

import dataclasses

import jax
from jaxtyping import Float

from flame_jax.model import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FirstEstimate:
    """Linear maps and what they leave over. A pytree."""

    centre: Float[Array, "*batch anchors seen"]
    scale: Float[Array, "*batch anchors seen"]
    """Of the features over whole skulls: x̂ = (x − centre) / scale."""
    plenty: Float[Array, "*batch anchors"]
    """Mean count of an anchor's middle window over whole skulls."""
    mean: Float[Array, "*batch code"]
    """Of the codes; W and F are about it."""
    infer: Float[Array, "*batch code features"]
    """W: from x̂ of all anchors to the code, by ridge regression."""
    imply: Float[Array, "*batch features code"]
    """F: from the code to x̂, by least squares."""
    fullness: Float[Array, "*batch code"]
    """What one standard deviation of fullness adds where it is known."""
    factor: Float[Array, "*batch code rank"]
    log_sd: Float[Array, "*batch code"]
    """What is left over of the code, as in `fields.low_rank_gaussian`."""

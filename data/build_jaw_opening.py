"""Makes a prior's open jaw from a head model whose jaw opens, such as ICT-FaceKit by its expression `jawOpen`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from data.jaw_opening import JawOpening
from data.jaw_skin import skin_displacement
from data.mandible_motion import MandibleMotion
from data.model_on_head import lay_model
from data.prior import AnatomyPrior
from flame_jax.errors import InputError
from flame_jax.model import HeadModel

EXPRESSION = "jawOpen"
"""The expression that opens the jaw, by ARKit's and ICT-FaceKit's name."""
_TEETH = "teeth"
_TOOTH_MOVES_MM = 1.0
"""The upper teeth do not move; the lower ones of ICT-FaceKit go at least 18.9 mm."""


def build_jaw_opening(
    model: HeadModel,
    prior: AnatomyPrior,
    *,
    credit: str,
    source: str,
    progress: Callable[[str], None] = lambda message: None,
) -> JawOpening:
    """The open jaw of a prior: the model is laid on the prior's mean head, and its motion carried over.

    Args:
        model: In FLAME's axes, any unit; with the expression `jawOpen`, and teeth as a material.
        prior: Whose closed head is to open.
        credit: Source and licence of the model, and what was changed.
        source: What to call the model in messages.
        progress: Told what is being done.

    Raises:
        InputError: The model has no such expression, no teeth that move, opens no lips, or looks like no head.
    """
    model = model.in_millimetres()
    displacement = opening_displacement(model, source)
    teeth = lower_teeth(model, displacement, source)
    motion = MandibleMotion.of_points(model.v_template[teeth].astype(np.float64), displacement[teeth])
    progress("laying the model on the prior's head")
    laid = lay_model(model, prior, source=source)
    motion = motion.moved(laid.T_head_model).midsagittal()
    progress("carrying the opening over")
    skin = skin_displacement(laid.mesh, displacement @ laid.T_head_model[:3, :3].T, prior, motion)
    return JawOpening(skin.astype(np.float32), motion.in_single_precision(), credit)


def opening_displacement(model: HeadModel, source: str) -> Float[np.ndarray, "vertices 3"]:
    """What the expression `jawOpen` does to a model's vertices at weight 1, in the model's unit.

    Raises:
        InputError: The model has no such expression.
    """
    if model.exprdirs is None or EXPRESSION not in model.expression_names:
        raise InputError(f"{source}: has no expression {EXPRESSION}; give ICT-FaceKit")
    return model.exprdirs[:, :, model.expression_names.index(EXPRESSION)].astype(np.float64)


def lower_teeth(
    model: HeadModel, displacement: Float[np.ndarray, "vertices 3"], source: str
) -> Bool[np.ndarray, " vertices"]:
    """Which vertices of a model in millimetres are teeth that move.

    Raises:
        InputError: None are.
    """
    numbers = [number for number, name in enumerate(model.material_names) if _TEETH in name.lower()]
    lower = np.zeros(len(displacement), dtype=bool)
    if model.materials is not None:
        lower[model.faces[np.isin(model.materials, numbers)]] = True
    lower &= np.linalg.norm(displacement, axis=1) > _TOOTH_MOVES_MM
    if lower.sum() < 3:
        raise InputError(f"{source}: has no teeth that {EXPRESSION} moves; give ICT-FaceKit")
    return lower

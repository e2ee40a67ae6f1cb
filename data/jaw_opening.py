"""The open jaw of an anatomy prior: the mandible's rigid motion, and what the closed head's skin does with it.

An opening has a weight from 0 (closed, the prior's own head) to 1 (wide open). Skin moves in straight lines, as blend
shapes do: skin(w) = skin(0) + w d. Bone turns: see `data.mandible_motion`. How both are found:
`data.build_jaw_opening`.
"""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.mandible_motion import MandibleMotion
from data.prior import AnatomyPrior
from flame_jax.array_archive import ArchiveKind
from flame_jax.errors import InputError
from flame_jax.model import Array

FORMAT = "s2f jaw opening 1"
_KIND = ArchiveKind(FORMAT, "not a jaw opening", "make one with s2f build-jaw")
_MOTION = ("axis", "angle", "pivot", "shift")
_SHAPES = {"skin_scale": (), "axis": (3,), "angle": (), "pivot": (3,), "shift": (3,)}
"""Of the arrays beside `skin`, all double precision."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class JawOpening:
    """How a prior's head opens its mouth; head frame, mm. A pytree."""

    skin: Float[Array, "*batch vertices 3"]
    """Displacement of the head's vertices at weight 1. Between the lips is a membrane, drawn inwards."""
    mandible: MandibleMotion
    """What the bone does."""
    credit: str = dataclasses.field(default="", metadata={"static": True})
    """Source and licence."""

    def mandible_transform(self, weight: Float[Array, ""] | float) -> Float[jax.Array, "4 4"]:
        """Rigid motion of the mandible from its closed place, head frame. Traceable; smooth in the weight."""
        return self.mandible.at(weight)

    def of_person(self, offset: Float[Array, "*batch 3"]) -> JawOpening:
        """The opening of somebody whose mandible lies by `offset` (mm) away from the mean head's.

        Skin moves alike for everybody, so the pivot must go with the mandible for bone and skin to stay together.
        """
        pivot = jnp.asarray(self.mandible.pivot) + jnp.asarray(offset)
        return dataclasses.replace(self, mandible=dataclasses.replace(self.mandible, pivot=pivot))


def closed_jaw(prior: AnatomyPrior) -> JawOpening:
    """Of a head whose mouth stays shut."""
    still = MandibleMotion(np.array([1.0, 0.0, 0.0]), np.zeros(()), np.zeros(3), np.zeros(3)).in_single_precision()
    return JawOpening(np.zeros((len(prior.head.v_template), 3), np.float32), still)


def write_jaw_opening(path: Path, opening: JawOpening, prior: AnatomyPrior) -> None:
    """Write the opening of a prior's head as a compressed `.npz`, the skin in 16-bit integers.

    Raises:
        InputError: The place cannot be written.
    """
    skin = np.asarray(opening.skin, np.float64)
    scale = max(float(np.abs(skin).max()), 1e-6) / 32767.0
    stored = {name: np.asarray(getattr(opening.mandible, name), np.float64) for name in _MOTION}
    stored |= {
        "skin": np.round(skin / scale).astype(np.int16),
        "skin_scale": np.asarray(scale),
    }
    _KIND.write(path, stored, {"credit": opening.credit, "head": _fingerprint(prior)})


def read_jaw_opening(path: Path, prior: AnatomyPrior) -> JawOpening:
    """Read the opening of a prior's head. Nothing in the file is run.

    Raises:
        InputError: No such file, it is no jaw opening or a damaged one, or it is that of another head.
    """
    stored, about = _KIND.read(path)
    credit, head = about.get("credit"), about.get("head")
    if not (isinstance(credit, str) and isinstance(head, str) and _fits(stored)):
        raise _KIND.damaged(path)
    if head != _fingerprint(prior) or len(stored["skin"]) != len(prior.head.v_template):
        raise InputError(f"{path}: opens another head than the prior's '{prior.head.name}'; {_KIND.remedy}")
    return JawOpening(
        skin=(stored["skin"] * stored["skin_scale"]).astype(np.float32),
        mandible=MandibleMotion(**{name: stored[name] for name in _MOTION}).in_single_precision(),
        credit=credit,
    )


def _fits(stored: dict[str, np.ndarray]) -> bool:
    """Whether the arrays have their types and shapes, and finite numbers."""
    skin = stored.get("skin")
    if skin is None or skin.dtype != np.int16 or skin.ndim != 2 or skin.shape[1] != 3:
        return False
    for name, shape in _SHAPES.items():
        array = stored.get(name)
        if array is None or array.dtype != np.float64 or array.shape != shape or not np.isfinite(array).all():
            return False
    return bool(abs(np.linalg.norm(stored["axis"]) - 1.0) < 1e-3)


def _fingerprint(prior: AnatomyPrior) -> str:
    """Of the head's topology: the same for a prior before it is written and after it is read."""
    return f"{zlib.crc32(np.ascontiguousarray(prior.head.faces, '<i4').tobytes()):08x}"

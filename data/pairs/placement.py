"""Where a pair lies in the head frame: as its record says, or as the aligner finds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data.align import align_skull
from data.json_file import read_json_object
from data.pairs.content import digest_of
from data.pairs.folders import Pair
from data.pairs.record import PairRecord, rigid_transform
from data.pairs.surfaces import read_surface
from data.prior import AnatomyPrior
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

ALIGNMENT = "alignment.json"
"""Beside a pair without transform: what the aligner found."""
_FORMAT = "s2f pair alignment 1"
_REMEDY = "remove it and it is made again"


def place_pair(
    pair: Pair, record: PairRecord | None, prior: AnatomyPrior, *, skull_digest: str, prior_digest: str
) -> Float[np.ndarray, "4 4"]:
    """Rigid transform from the pair's files (mm) to the head frame, with our aligner's errors in it.

    Of the record, if it tells; otherwise found by `data.align.align_skull`, which takes seconds, and kept beside the
    pair for as long as the skull and the prior stay the same.

    Raises `InputError` when the skull cannot be read or is no skull, or the place cannot be written.
    """
    if record is not None and record.T_head_input_aligned is not None:
        return record.T_head_input_aligned
    made_from = digest_of(_FORMAT, skull_digest, prior_digest)
    path = pair.folder / ALIGNMENT
    found = _kept(path, made_from)
    if found is None:
        found = align_skull(read_surface(pair.skull), prior, source=str(pair.skull)).T_head_skull
        content = {"format": _FORMAT, "made_from": made_from, "T_head_input": found.tolist()}
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return found


def _kept(path: Path, made_from: str) -> np.ndarray | None:
    """The transform in the file, or None where there is none, or a damaged one, or one of another skull."""
    try:
        content = read_json_object(path, _REMEDY)
        if content.get("made_from") != made_from:
            return None
        return rigid_transform(path, content.get("T_head_input"), "T_head_input")
    except InputError:
        return None

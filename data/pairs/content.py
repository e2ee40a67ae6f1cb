"""What a cached file was made from, told by content, never by date."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from data.prior import AnatomyPrior
from flame_jax.errors import InputError


def file_digest(path: Path) -> str:
    """SHA-256 of a file. Raises `InputError` when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the name and its permissions") from error


def prior_digest(prior: AnatomyPrior) -> str:
    """SHA-256 of what alignment and sampling take from a prior."""
    digest = hashlib.sha256("\n".join((*prior.landmark_names, *prior.control_names)).encode())
    for array in (
        prior.head.v_template,
        prior.head.shapedirs,
        prior.skull.vertices,
        prior.skull.faces,
        prior.landmarks.points,
        prior.controls,
        prior.directions,
    ):
        digest.update(array.tobytes())
    return digest.hexdigest()


def digest_of(*parts: str | np.ndarray) -> str:
    """SHA-256 of texts and arrays, in order."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part.tobytes()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()

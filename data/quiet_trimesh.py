"""Keeps trimesh's remarks off the user's terminal: what matters of them is said in our own words."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def quiet_trimesh() -> Iterator[None]:
    """No log lines and no warnings from trimesh, nor from NumPy on its behalf, within the block."""
    log = logging.getLogger("trimesh")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before

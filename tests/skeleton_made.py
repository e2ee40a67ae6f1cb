"""The skeleton of the shipped prior, made once for all tests."""

from __future__ import annotations

import functools

import numpy as np

from data.cohort.skeleton import Part, Skeleton, make_skeleton
from tests.skulls_made import shipped_prior


@functools.cache
def shipped_skeleton() -> Skeleton:
    """The skeleton that belongs to the prior that comes with s2f."""
    return make_skeleton(shipped_prior())


def bone_faces(skeleton: Skeleton, *, parted: bool, inner: bool) -> np.ndarray:
    """Triangles of bone to show: jaws parted or fused, with or without inner walls."""
    part = skeleton.part[skeleton.faces]
    keep = (part <= Part.INNER).all(axis=1)
    keep &= ~skeleton.bridge if parted else ~skeleton.lid
    keep &= ~skeleton.foramen if inner else (part != Part.INNER).all(axis=1)
    return np.asarray(skeleton.faces[keep])

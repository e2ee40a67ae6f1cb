"""Points of a pair's true face, to measure a predicted one at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from data.face_region import face_triangles
from data.pairs.content import file_digest, prior_digest
from data.pairs.folders import Pair
from data.pairs.placement import place_pair
from data.pairs.record import read_record
from data.pairs.surfaces import read_surface
from data.prior import AnatomyPrior
from fields.sampling import sample_surface
from flame_jax.errors import InputError


def true_surface(pair: Pair, prior: AnatomyPrior, count: int) -> Float[np.ndarray, "count 3"]:
    """Points spread by area over a pair's face, in the face region of the prior's mean head; head frame as our aligner
    puts the pair, mm.

    Raises `InputError` when the pair cannot be read or aligned, or has nothing where a face is.
    """
    record = read_record(pair.record) if pair.record.exists() else None
    digests = {"skull_digest": file_digest(pair.skull), "prior_digest": prior_digest(prior)}
    transform = place_pair(pair, record, prior, **digests)
    made = record is not None and record.generator is not None
    face = read_surface(pair.face, made=made).transformed(transform)
    there = face_triangles(face, prior.landmark_points())
    if not face.face_areas()[there].sum() > 0.0:
        raise InputError(f"{pair.face}: has nothing where a face is; skull and face must be of one head, in mm")
    return sample_surface(face, count, 0, there).points.astype(np.float32)

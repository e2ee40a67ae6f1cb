"""A gallery of the training generator's made people, who are drawn for other tests anyway."""

from __future__ import annotations

import functools

import numpy as np

from eval.retrieval.face_coefficients import FaceCoefficients
from eval.retrieval.face_search import FaceSearch
from eval.retrieval.gallery import Gallery, face_places
from tests.cohort_made import train_people
from tests.skulls_made import shipped_prior


@functools.cache
def made_gallery() -> Gallery:
    """All of `train_people`."""
    people, places = train_people(), face_places(shipped_prior())
    return Gallery(places, np.stack([places.on(people.head(n)) for n in range(len(people))]).astype(np.float32))


@functools.cache
def made_search() -> FaceSearch:
    """The gallery, ready to be searched."""
    return FaceSearch(made_gallery(), FaceCoefficients(shipped_prior().head, made_gallery().places))

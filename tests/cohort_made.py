"""People and cases of the training generator. What takes long is made once for all tests."""

from __future__ import annotations

import functools

import jax
import numpy as np

from data.cohort.case import Case, Conditions, Generator
from data.cohort.generator import make_generator, make_stream
from data.cohort.pair_files import PairMaker
from data.cohort.pose_errors import PoseErrors
from data.cohort.severities import Severities
from data.cohort.stream import Sample, Stream, observe
from data.cohort.variants import TRAIN
from data.jaw_opening import read_jaw_opening
from data.shipped import JAW_OPEN
from eval.cohort.people import People, draw_people
from tests.skulls_made import shipped_prior

PEOPLE, SEED = 20, 11
SKULL_POINTS, QUERIES = 4_096, 4_096
TURN, SHIFT = np.array([0.02, -0.03, 0.01], np.float32), np.array([1.0, 2.0, -1.5], np.float32)
"""Error of an aligner that always makes the same."""

_observe = jax.jit(observe, static_argnames=("skull_points", "queries"))


@functools.cache
def train_generator() -> Generator:
    """Of the shipped prior."""
    prior = shipped_prior()
    return make_generator(prior, TRAIN, read_jaw_opening(JAW_OPEN, prior), PoseErrors(TURN[None], SHIFT[None]))


@functools.cache
def train_people() -> People:
    """Undamaged people with shut mouths."""
    return draw_people(shipped_prior(), train_generator().anatomy, PEOPLE, seed=SEED)


@functools.cache
def train_stream() -> Stream:
    """The generator as a program."""
    return make_stream(shipped_prior(), train_generator())


def maker(severities: Severities, seed: int = SEED) -> PairMaker:
    """The generator as files."""
    return PairMaker(shipped_prior(), TRAIN, train_generator(), Conditions.of(severities), seed)


def observed(case: Case) -> Sample:
    """What a network meets of a case."""
    return _observe(case, train_stream(), skull_points=SKULL_POINTS, queries=QUERIES)

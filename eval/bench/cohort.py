"""How fast the cohort is made in its two forms, and whether the second form's distances are exact."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from data.cohort.case import Conditions, case_key, draw_case
from data.cohort.generator import make_generator, make_stream
from data.cohort.pose_errors import no_pose_errors
from data.cohort.severities import Severities
from data.cohort.stream import Sample, Stream, observe
from data.cohort.synthesis import Synthesis, synthesize
from data.cohort.variants import TRAIN
from data.jaw_opening import read_jaw_opening
from data.pairs.folders import find_pairs
from data.pairs.pools import PoolSizes
from data.pairs.source import PairSource
from data.prior import AnatomyPrior, read_prior
from fields.distance import DistanceScene
from fields.mesh import Mesh

_SEED = 1_000_004
_draw, _look = jax.jit(draw_case), jax.jit(observe, static_argnames=("skull_points", "queries"))


@dataclasses.dataclass(frozen=True)
class Counts:
    """How much is made."""

    pairs: int
    samples: int
    """To take the time of."""
    people: int
    """To compare the distances of."""
    skull_points: int = 8_192
    queries: int = 16_384
    """Of each pair and each sample."""


FULL, QUICK = Counts(200, 64, 40), Counts(4, 2, 2)


@dataclasses.dataclass(frozen=True)
class FileSpeed:
    """Making pairs as files, and the samples beside them."""

    what: str
    pairs: int
    start_s: float
    """Until the first pair is there: starting processes, reading the prior, compiling."""
    making_s: float
    """From the first to the last pair."""
    sampling_s: float

    @property
    def per_second(self) -> float:
        """Pairs with their samples, without the start."""
        return 1.0 / (self.making_s / max(self.pairs - 1, 1) + self.sampling_s / self.pairs)


@dataclasses.dataclass(frozen=True)
class Parity:
    """Signed distances of the pure program against open3d's."""

    compared: int
    largest_mm: float
    """Difference of the distances without their signs."""
    signs_differ: int


def time_files(
    prior: Path,
    jaw: Path,
    pose_errors: Path,
    counts: Counts,
    *,
    workers: int,
    damage: float,
    say: Callable[[str], None] = lambda text: None,
) -> FileSpeed:
    """Make pairs of the training generator in a temporary folder, on all cores.

    Args:
        prior: Of the anatomy prior.
        jaw: How its mouth opens.
        pose_errors: Of our aligner.
        counts: How many.
        workers: Processes.
        damage: Severity of all kinds of damage.
        say: Shows what is being done.
    """
    synthesis = Synthesis("train", prior, jaw, pose_errors, Severities.all(damage), seed=_SEED)
    with tempfile.TemporaryDirectory() as place:
        folder, times = Path(place) / "pairs", [time.perf_counter()]

        def done(count: int) -> None:
            say(f"damage {damage:g}: {count} of {counts.pairs} pairs")
            if count:
                times.append(time.perf_counter())

        synthesize(folder, synthesis, range(counts.pairs), workers=workers, done=done)
        start = time.perf_counter()
        say(f"damage {damage:g}: sampling")
        sizes = PoolSizes(skull_points=counts.skull_points, queries=counts.queries)
        PairSource(find_pairs(folder), read_prior(prior), sizes).prepare(workers=workers)
        sampling = time.perf_counter() - start
    what = "undamaged" if damage == 0.0 else "default damage" if damage == 1.0 else f"damage {damage:g}"
    return FileSpeed(what, counts.pairs, times[1] - times[0], times[-1] - times[1], sampling)


def training_stream(prior: AnatomyPrior, jaw: Path) -> Stream:
    """The training generator's, with an aligner that makes no errors."""
    return make_stream(prior, make_generator(prior, TRAIN, read_jaw_opening(jaw, prior), no_pose_errors()))


def samples_per_second(stream: Stream, counts: Counts) -> float:
    """Of the pure program with default damage, compiled, one sample after the other on JAX's default device."""
    conditions = Conditions.of(Severities.all(1.0))

    def sample(number: int) -> Sample:
        case = _draw(case_key(_SEED, number), stream.generator, conditions)
        return _look(case, stream, skull_points=counts.skull_points, queries=counts.queries)

    jax.block_until_ready(sample(0))
    start = time.perf_counter()
    for number in range(counts.samples):
        jax.block_until_ready(sample(number))
    return counts.samples / (time.perf_counter() - start)


def distance_parity(prior: AnatomyPrior, stream: Stream, counts: Counts) -> Parity:
    """Compare the distances of samples (mouths open too) with open3d's, to the same head."""
    conditions = Conditions.of(Severities.all(1.0).with_kinds({"jaw_open": 3.0}))
    largest, wrong = 0.0, 0
    for number in range(counts.people):
        case = _draw(case_key(_SEED, number), stream.generator, conditions)
        sample = _look(case, stream, skull_points=counts.skull_points, queries=counts.queries)
        head = Mesh(np.asarray(case.body.head, np.float64), prior.head.faces)
        scene = DistanceScene(head.transformed(np.asarray(case.T_aligned_head, np.float64)))
        there = scene.signed_distance(np.asarray(sample.queries, np.float64))
        here = np.asarray(sample.distances, np.float64)
        largest = max(largest, float(np.abs(np.abs(here) - np.abs(there)).max()))
        wrong += int((np.sign(here) != np.sign(there)).sum())
    return Parity(counts.people * counts.queries, largest, wrong)

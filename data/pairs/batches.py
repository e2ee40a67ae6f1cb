"""Batches of pairs to train with, by grain: the same for the same seed, wherever and however often they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grain
import numpy as np

from data.pairs.folders import find_all_pairs
from data.pairs.pools import PoolSizes
from data.pairs.source import PairSource, Sample
from data.prior import AnatomyPrior
from flame_jax.errors import InputError

_AHEAD = 2
"""Batches that each worker may have ready."""


def pair_batches(
    folders: Sequence[Path],
    prior: AnatomyPrior,
    *,
    batch_size: int,
    seed: int,
    skull_points: int,
    query_points: int,
    epochs: int | None = None,
    weights: Sequence[float] | None = None,
    process_index: int = 0,
    process_count: int = 1,
    shuffle: bool = True,
    workers: int = 2,
) -> grain.IterDataset:
    """Batches of pairs from folders, as `source_batches` makes them.

    Args:
        folders: Of pairs (`data.pairs.folders`), the cohort's or a user's own, in any mix.
        prior: Aligns skulls whose records do not say where they lie, and names the head model of `betas`.
        weights: How often to draw from each folder, relative to the others, whatever the numbers of their pairs.
        batch_size, seed, skull_points, query_points, epochs, process_index, process_count, shuffle, workers: As there.

    Raises:
        InputError: A folder is absent or holds no pairs, or the pairs are too few; while iterating, for a pair that
            cannot be read, aligned or sampled.
    """
    found = find_all_pairs(folders)
    if weights is not None and (len(weights) != len(found) or not all(0.0 < weight < np.inf for weight in weights)):
        raise InputError(f"weights {list(weights)} are not one positive number for each of {len(found)} folders")
    return source_batches(
        PairSource([pair for pairs in found for pair in pairs], prior),
        parts=None if weights is None else [(len(pairs), w) for pairs, w in zip(found, weights, strict=True)],
        batch_size=batch_size,
        seed=seed,
        skull_points=skull_points,
        query_points=query_points,
        epochs=epochs,
        process_index=process_index,
        process_count=process_count,
        shuffle=shuffle,
        workers=workers,
    )


def source_batches(
    source: PairSource,
    *,
    batch_size: int,
    seed: int,
    skull_points: int,
    query_points: int,
    epochs: int | None = None,
    parts: Sequence[tuple[int, float]] | None = None,
    process_index: int = 0,
    process_count: int = 1,
    shuffle: bool = True,
    workers: int = 2,
) -> grain.IterDataset:
    """Batches of pairs: dictionaries as `PairSource` gives them, with a leading axis of `batch_size`.

    Of each pair's pools, every time it comes up, other points are drawn: `skull_points` and `query_points` of them.
    All draws depend on the seed and on the place in the stream alone. Processes take turns in one stream, so the
    batches with the same number of all processes are together the batch that one process would have with
    `batch_size * process_count`; no pair comes twice within them that would not there. Iterators have `get_state` and
    `set_state`, and `close` to stop the workers. What is left at the end and fills no batch in every process is
    dropped.

    Args:
        source: The pairs.
        batch_size: Of this process.
        seed: From 0 to 2³² − 1.
        skull_points: Of each pair, at most as many as the source keeps.
        query_points: Of each pair, at most as many as the source keeps.
        epochs: How often each pair comes up; with `parts`, how often as many as there are pairs do. None for ever.
        parts: For parts of the source, one after the other: how many pairs each has, and how often to draw from it,
            relative to the others.
        process_index: Of this process, from 0.
        process_count: How many processes share the stream.
        shuffle: Whether pairs come in random order, another in each epoch.
        workers: Threads that read ahead; 0 reads when asked.

    Raises:
        InputError: More points are asked for than are kept, or the pairs do not fill one batch.
    """
    kept = source.sizes
    sizes = PoolSizes(skull_points, query_points)
    if sizes.skull_points > kept.skull_points or sizes.queries > kept.queries:
        raise InputError(
            f"{skull_points} skull points and {query_points} queries are more than the {kept.skull_points} and "
            f"{kept.queries} that are kept of a pair; ask for fewer"
        )
    if not 0 <= process_index < process_count:
        raise ValueError(f"no process {process_index} among {process_count}")
    stream = _stream(source, parts, epochs, seed, shuffle)
    together = batch_size * process_count
    batches = len(stream) // together
    if not batches:
        raise InputError(
            f"{len(stream)} pairs fill no batch of {batch_size} in each of {process_count} processes; "
            "take smaller batches, or more pairs or epochs"
        )
    drawn = stream.random_map(lambda sample, rng: _drawn(sample, sizes, rng), seed=seed)
    own = drawn.slice(slice(process_index, batches * together, process_count))
    read_options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=_AHEAD * workers)
    return own.batch(batch_size, drop_remainder=True).to_iter_dataset(read_options)


def _stream(
    source: PairSource, parts: Sequence[tuple[int, float]] | None, epochs: int | None, seed: int, shuffle: bool
) -> grain.MapDataset:
    """Whole samples in the order in which all processes together meet them."""
    whole = grain.MapDataset.source(source)
    if parts is None:
        return _ordered(whole, shuffle, seed, 0).repeat(epochs)
    streams, start = [], 0
    for number, (count, _) in enumerate(parts):
        part = whole.slice(slice(start, start + count))
        streams.append(_ordered(part, shuffle, seed, number).repeat())
        start += count
    mixed = grain.MapDataset.mix(streams, [weight for _, weight in parts])
    return mixed if epochs is None else mixed.slice(slice(0, epochs * len(source)))


def _ordered(part: grain.MapDataset, shuffle: bool, seed: int, number: int) -> grain.MapDataset:
    """In random order, another for each seed and part: grain counts its seed up from epoch to epoch."""
    return part.shuffle(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0])) if shuffle else part


def _drawn(sample: Sample, sizes: PoolSizes, rng: np.random.Generator) -> Sample:
    """Some of a pair's points, none of them twice."""
    skull = rng.choice(len(sample["skull_points"]), sizes.skull_points, replace=False, shuffle=False)
    query = rng.choice(len(sample["query_points"]), sizes.queries, replace=False, shuffle=False)
    chosen = {name: sample[name][skull] for name in ("skull_points", "skull_normals", "skull_valid")}
    chosen |= {name: sample[name][query] for name in ("query_points", "query_distances")}
    return {**sample, **chosen}

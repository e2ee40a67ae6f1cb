"""Batches: the same for the same seed, whoever reads them and wherever they go on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

from data.pairs.batches import pair_batches, source_batches
from data.pairs.folders import find_all_pairs, find_pairs
from data.pairs.pools import PoolSizes
from data.pairs.source import PairSource, Sample
from flame_jax.errors import InputError
from tests.pairs_made import SIZES, write_pair
from tests.skulls_made import shipped_prior

PAIRS = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    for number in range(PAIRS):
        write_pair(root / f"{number:06d}", radius=90.0 + number)
    return root


@pytest.fixture(scope="module")
def pairs(folder: Path) -> PairSource:
    return PairSource(find_pairs(folder), shipped_prior(), SIZES)


def batches(pairs: PairSource, **options: Any) -> grain.IterDataset:
    given: dict[str, Any] = {
        "batch_size": 2,
        "seed": 3,
        "skull_points": 40,
        "query_points": 60,
        "workers": 0,
        **options,
    }
    return source_batches(pairs, **given)


def first(pairs: PairSource, count: int | None = None, **options: Any) -> list[Sample]:
    iterator = iter(batches(pairs, **options))
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def numbers(taken: Sequence[Sample]) -> list[int]:
    return [int(number) for batch in taken for number in batch["pair"]]


def assert_same(one: Sequence[Sample], two: Sequence[Sample]) -> None:
    assert len(one) == len(two) > 0
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_shapes(pairs):
    (batch,) = first(pairs, 1)
    identities = shipped_prior().head.shapedirs.shape[2]
    assert {name: array.shape for name, array in batch.items()} == {
        "skull_points": (2, 40, 3),
        "skull_normals": (2, 40, 3),
        "skull_valid": (2, 40),
        "query_points": (2, 60, 3),
        "query_distances": (2, 60),
        "fullness": (2,),
        "betas": (2, identities),
        "pair": (2,),
    }


def test_points_are_drawn_from_the_pools_together(pairs):
    for batch in first(pairs, epochs=1):
        for row, number in enumerate(batch["pair"]):
            pools = pairs[int(number)]
            for kind, others in (("skull_points", ["skull_normals"]), ("query_points", ["query_distances"])):
                chosen = [int(np.flatnonzero((pools[kind] == point).all(axis=1))[0]) for point in batch[kind][row]]
                assert len(set(chosen)) == len(chosen)
                for other in others:
                    np.testing.assert_array_equal(batch[other][row], pools[other][chosen])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(pairs, workers):
    assert_same(first(pairs, 9), first(pairs, 9, workers=workers))


def test_the_seed_changes_order_and_points(pairs):
    one, two = first(pairs, 9), first(pairs, 9, seed=4)
    assert numbers(one) != numbers(two)
    assert_same(one, first(pairs, 9))
    fixed, other = first(pairs, 3, shuffle=False), first(pairs, 3, shuffle=False, seed=4)
    assert numbers(fixed) == numbers(other) == list(range(6))
    assert (fixed[0]["query_points"] != other[0]["query_points"]).any()


def test_every_pair_comes_once_an_epoch_in_another_order_with_other_points(pairs):
    taken = first(pairs, batch_size=1, epochs=3)
    epochs = [numbers(taken[start : start + PAIRS]) for start in range(0, 3 * PAIRS, PAIRS)]
    assert len(taken) == 3 * PAIRS
    assert all(sorted(epoch) == list(range(PAIRS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    of_one = [batch["query_points"] for batch in taken if batch["pair"][0] == 2]
    assert (of_one[0] != of_one[1]).any()


def test_what_fills_no_batch_is_dropped(pairs):
    assert len(first(pairs, epochs=1)) == PAIRS // 2
    assert len(first(pairs, epochs=2)) == PAIRS
    assert len(first(pairs, epochs=1, process_count=2)) == len(first(pairs, epochs=1, process_count=2, process_index=1))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("parts", [None, [(4, 1.0), (3, 2.0)]])
def test_an_iterator_goes_on_where_another_stopped(pairs, workers, parts):
    whole = first(pairs, 12, workers=workers, parts=parts)
    stopped = iter(batches(pairs, workers=workers, parts=parts))
    begun = list(itertools.islice(stopped, 5))
    state = stopped.get_state()
    next(stopped)
    stopped.close()
    resumed = iter(batches(pairs, workers=workers, parts=parts))
    resumed.set_state(state)
    assert_same(begun + list(itertools.islice(resumed, 7)), whole)
    resumed.close()


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_one_stream(pairs, count):
    """Their batches of one number are together one process's batch."""
    shares = [first(pairs, 6, process_index=index, process_count=count) for index in range(count)]
    whole = first(pairs, 6, batch_size=2 * count)
    for number, batch in enumerate(whole):
        for name in batch:
            together = np.stack([share[number][name] for share in shares], axis=1)
            np.testing.assert_array_equal(together.reshape(batch[name].shape), batch[name])


def test_processes_do_not_overlap_within_an_epoch(pairs):
    shares = [numbers(first(pairs, batch_size=1, epochs=1, process_index=index, process_count=3)) for index in range(3)]
    assert [len(share) for share in shares] == [PAIRS // 3] * 3
    assert len({number for share in shares for number in share}) == 3 * (PAIRS // 3)


def test_parts_are_mixed_by_weight(pairs):
    taken = numbers(first(pairs, 100, parts=[(1, 3.0), (6, 1.0)]))
    assert abs(np.mean([number == 0 for number in taken]) - 0.75) < 0.01
    rest = [number for number in taken if number > 0]
    assert all(sorted(rest[start : start + 6]) == list(range(1, 7)) for start in range(0, 48, 6))
    assert len(numbers(first(pairs, batch_size=1, epochs=2, parts=[(1, 3.0), (6, 1.0)]))) == 2 * PAIRS


def test_folders_of_pairs(folder, tmp_path):
    write_pair(tmp_path / "ours" / "ct")
    options: dict[str, Any] = {"batch_size": 4, "seed": 0, "skull_points": 2048, "query_points": 4096, "workers": 1}
    iterator = iter(pair_batches([folder, tmp_path / "ours"], shipped_prior(), weights=[1.0, 1.0], **options))
    taken = [next(iterator) for _ in range(2)]
    iterator.close()
    assert taken[0]["query_points"].shape == (4, 4096, 3)
    assert numbers(taken).count(PAIRS) == 4
    assert len(find_all_pairs([folder, tmp_path / "ours"])) == 2
    for weights in ([1.0], [1.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(InputError, match="are not one positive number for each of 2 folders"):
            pair_batches([folder, tmp_path / "ours"], shipped_prior(), weights=weights, **options)


def test_too_much_is_refused(pairs):
    with pytest.raises(InputError, match="301 skull points and 60 queries are more than the 300 and 500"):
        batches(pairs, skull_points=301)
    with pytest.raises(InputError, match="7 pairs fill no batch of 8 in each of 1 processes"):
        batches(pairs, batch_size=8, epochs=1)
    with pytest.raises(ValueError, match="no process 2 among 2"):
        batches(pairs, process_index=2, process_count=2)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_pair_is_told_by_the_iterator(tmp_path, workers):
    for name in "ab":
        write_pair(tmp_path / name)
    (tmp_path / "b" / "record.json").write_text("{")
    source = PairSource(find_pairs(tmp_path), shipped_prior(), PoolSizes(50, 60))
    iterator = iter(batches(source, workers=workers, batch_size=2, skull_points=50))
    with pytest.raises(InputError, match=r"b/record\.json: is not JSON"):
        next(iterator)
    iterator.close()

"""The file of pools: it comes back as it was, or not at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data.pairs.pools import Pools, PoolSizes
from data.pairs.sample_cache import pools_key, read_pools, write_pools
from tests.pairs_made import SIZES, rigid

KEY = pools_key("a skull", "a face", "a prior", rigid(), SIZES)


def some_pools() -> Pools:
    rng = np.random.default_rng(0)
    shapes = [(SIZES.skull_points, 3), (SIZES.skull_points, 3), (SIZES.queries, 3), (SIZES.queries,)]
    return Pools(*(rng.standard_normal(shape).astype(np.float32) for shape in shapes))


def test_what_is_written_comes_back(tmp_path):
    path = tmp_path / "samples.npz"
    write_pools(path, KEY, some_pools())
    found = read_pools(path, KEY, SIZES)
    assert found is not None
    for field in dataclasses.fields(Pools):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(some_pools(), field.name))


def test_the_key_tells_all_apart():
    moved = rigid()
    moved[0, 3] += 1e-9
    others = [
        pools_key("another skull", "a face", "a prior", rigid(), SIZES),
        pools_key("a skull", "another face", "a prior", rigid(), SIZES),
        pools_key("a skull", "a face", "another prior", rigid(), SIZES),
        pools_key("a skull", "a face", "a prior", moved, SIZES),
        pools_key("a skull", "a face", "a prior", rigid(), PoolSizes(SIZES.skull_points, SIZES.queries + 1)),
        pools_key("a sk", "ulla face", "a prior", rigid(), SIZES),
    ]
    assert len({KEY, *others}) == 1 + len(others)
    assert pools_key("a skull", "a face", "a prior", rigid(), SIZES) == KEY


def test_what_was_made_from_something_else_is_not_taken(tmp_path):
    path = tmp_path / "samples.npz"
    assert read_pools(path, KEY, SIZES) is None
    write_pools(path, KEY, some_pools())
    assert read_pools(path, "0" * 64, SIZES) is None
    assert read_pools(path, KEY, PoolSizes(SIZES.skull_points, SIZES.queries - 1)) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_not_taken(tmp_path, seed):
    """Any byte may change, anywhere; what comes back then is nothing, or what was written."""
    path = tmp_path / "samples.npz"
    write_pools(path, KEY, some_pools())
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(content))
    found = read_pools(path, KEY, SIZES)
    if found is not None:
        for field in dataclasses.fields(Pools):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(some_pools(), field.name))


def test_changed_points_are_noticed(tmp_path):
    path = tmp_path / "samples.npz"
    write_pools(path, KEY, some_pools())
    content = path.read_bytes()
    for points in (some_pools().skull_points[7], some_pools().query_points[-1], some_pools().query_distances[-1:]):
        place = content.index(points.tobytes())
        path.write_bytes(content[:place] + np.float32(1.0).tobytes() + content[place + 4 :])
        assert read_pools(path, KEY, SIZES) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_not_taken(tmp_path, share):
    path = tmp_path / "samples.npz"
    write_pools(path, KEY, some_pools())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert read_pools(path, KEY, SIZES) is None


def test_nothing_in_it_is_run(tmp_path):
    path = tmp_path / "samples.npz"
    arrays = {field.name: np.array([print], dtype=object) for field in dataclasses.fields(Pools)}
    np.savez(path, allow_pickle=True, made_from=np.frombuffer(KEY.encode(), dtype=np.uint8), **arrays)
    assert read_pools(path, KEY, SIZES) is None

"""Pairs by number: made once, made again when anything behind them changes, and never wrong in silence."""

from __future__ import annotations

import dataclasses
import os
import types
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

from data.mesh_files import write_mesh
from data.pairs import placement, source
from data.pairs.folders import Pair, find_pairs
from data.pairs.record import PairRecord, write_record
from data.pairs.sample_cache import SAMPLES
from data.pairs.source import PairSource
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import sphere
from tests.pairs_made import FACE_RADIUS, SIZES, SKULL_RADIUS, cut_sphere, rigid, write_pair
from tests.skulls_made import shipped_prior


def of(*pairs: Pair) -> PairSource:
    return PairSource(pairs, shipped_prior(), SIZES)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which pairs were sampled."""
    pairs: list[str] = []
    make = source.make_pools

    def recorded(*given, **options):
        pairs.append(Path(options["source"]).parent.name)
        return make(*given, **options)

    monkeypatch.setattr(source, "make_pools", recorded)
    return pairs


def assert_same(one: source.Sample, two: source.Sample) -> None:
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_it_is_a_source_for_grain(tmp_path):
    pairs = of(write_pair(tmp_path / "a"), write_pair(tmp_path / "b"))
    assert isinstance(pairs, grain.sources.RandomAccessDataSource)
    assert len(pairs) == 2
    assert repr(pairs) == "PairSource(2 pairs, PoolSizes(skull_points=300, queries=500))"


def test_shapes_and_types(tmp_path):
    sample = of(write_pair(tmp_path / "a"))[0]
    identities = shipped_prior().head.shapedirs.shape[2]
    assert {name: (array.shape, array.dtype.name) for name, array in sample.items()} == {
        "skull_points": ((300, 3), "float32"),
        "skull_normals": ((300, 3), "float32"),
        "skull_valid": ((300,), "bool"),
        "query_points": ((500, 3), "float32"),
        "query_distances": ((500,), "float32"),
        "fullness": ((), "float32"),
        "betas": ((identities,), "float32"),
        "pair": ((), "int32"),
    }
    assert sample["skull_valid"].all()


def test_samples_lie_in_the_head_frame(tmp_path):
    pose = PairRecord(T_head_input_aligned=rigid(), T_head_input_true=np.eye(4))
    sample = of(write_pair(tmp_path / "a", record=pose))[0]
    radius = np.linalg.norm(sample["skull_points"], axis=1)
    assert 0.98 * SKULL_RADIUS < radius.min() <= radius.max() < SKULL_RADIUS + 1e-3
    assert np.einsum("pd,pd->p", sample["skull_points"], sample["skull_normals"]).min() > 0.9 * SKULL_RADIUS
    distance = np.linalg.norm(sample["query_points"], axis=1) - FACE_RADIUS
    np.testing.assert_allclose(sample["query_distances"], distance, atol=0.5)


def test_a_pair_is_sampled_once(tmp_path, made):
    pair = write_pair(tmp_path / "a")
    pairs = of(pair)
    first = pairs[0]
    assert_same(pairs[0], first)
    assert_same(of(pair)[0], first)
    assert made == ["a"]
    (pair.folder / SAMPLES).unlink()
    assert_same(pairs[0], first)
    assert made == ["a", "a"]


def rewrite_face(pair: Pair) -> None:
    write_mesh(pair.face, sphere(FACE_RADIUS + 1.0))


def rewrite_skull(pair: Pair) -> None:
    write_mesh(pair.skull, sphere(SKULL_RADIUS - 1.0))


def turn(pair: Pair) -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 2.0
    write_record(pair.record, PairRecord(T_head_input_aligned=shifted))


def damage(pair: Pair) -> None:
    content = bytearray((pair.folder / SAMPLES).read_bytes())
    content[len(content) // 2] ^= 1
    (pair.folder / SAMPLES).write_bytes(bytes(content))


@pytest.mark.parametrize("change", [rewrite_face, rewrite_skull, turn, damage])
@pytest.mark.parametrize("again", [False, True], ids=["same process", "another process"])
def test_a_change_is_noticed(tmp_path, made, change, again):
    pair = write_pair(tmp_path / "a")
    pairs = of(pair)
    before = pairs[0]
    change(pair)
    after = (of(pair) if again else pairs)[0]
    assert made == ["a", "a"]
    assert (change is damage) == bool((after["query_distances"] == before["query_distances"]).all())
    assert_same(of(pair)[0], after)


def test_a_face_with_an_old_date_is_noticed_by_another_process(tmp_path, made):
    pair = write_pair(tmp_path / "a")
    of(pair)[0]
    then = pair.face.stat()
    write_mesh(pair.face, sphere(FACE_RADIUS + 1.0))
    os.utime(pair.face, ns=(then.st_atime_ns, then.st_mtime_ns))
    of(pair)[0]
    assert made == ["a", "a"]


def test_other_sizes_are_sampled_anew(tmp_path, made):
    pair = write_pair(tmp_path / "a")
    of(pair)[0]
    more = dataclasses.replace(SIZES, queries=600)
    assert PairSource([pair], shipped_prior(), more)[0]["query_distances"].shape == (600,)
    assert made == ["a", "a"]


def test_what_the_record_tells(tmp_path):
    prior = shipped_prior()
    identities = prior.head.shapedirs.shape[2]
    betas = np.linspace(-1.0, 1.0, identities)
    home: dict[str, Any] = {"T_head_input_aligned": np.eye(4)}
    records = {
        "full": PairRecord(fullness=1.25, betas=betas, head_model=prior.head.name, **home),
        "few": PairRecord(betas=betas[:3], head_model=prior.head.name, **home),
        "other": PairRecord(fullness=0.0, betas=betas, head_model="another head", **home),
    }
    full, few, other = (of(write_pair(tmp_path / name, record=record))[0] for name, record in records.items())
    assert full["fullness"] == 1.25
    np.testing.assert_allclose(full["betas"], betas, rtol=1e-6)
    assert np.isnan(few["fullness"])
    np.testing.assert_allclose(few["betas"][:3], betas[:3], rtol=1e-6)
    assert (few["betas"][3:] == 0.0).all()
    assert other["fullness"] == 0.0
    assert np.isnan(other["betas"]).all()
    many = PairRecord(betas=np.ones(identities + 1), head_model=prior.head.name, **home)
    with pytest.raises(InputError, match=r"record\.json: has 61 betas where its head model has 60"):
        of(write_pair(tmp_path / "many", record=many))[0]


def test_a_pair_without_record_is_aligned(tmp_path, monkeypatch):
    asked = []

    def align(skull, prior, *, source):
        asked.append(source)
        return types.SimpleNamespace(T_head_skull=rigid())

    monkeypatch.setattr(placement, "align_skull", align)
    pair = write_pair(tmp_path / "a", record=PairRecord(T_head_input_aligned=rigid()), face=cut_sphere())
    pair.record.unlink()
    pairs = of(pair)
    sample = pairs[0]
    np.testing.assert_allclose(
        sample["query_distances"], np.linalg.norm(sample["query_points"], axis=1) - FACE_RADIUS, atol=0.15
    )
    assert np.isnan(sample["fullness"])
    assert np.isnan(sample["betas"]).all()
    assert_same(pairs[0], sample)
    assert_same(of(pair)[0], sample)
    assert asked == [str(pair.skull)]


def test_bad_files_are_told(tmp_path):
    pair = write_pair(tmp_path / "a")
    write_mesh(pair.face, Mesh(sphere().vertices * 1e-3, sphere().faces))
    with pytest.raises(InputError, match=r"face\.ply: a diagonal of 0\.3464 is too small for mm; scale the pair to mm"):
        of(pair)[0]
    pair.face.write_bytes(b"ply\n")
    with pytest.raises(InputError, match=r"face\.ply: is not a PLY mesh"):
        of(pair)[0]
    pair.face.unlink()
    with pytest.raises(InputError, match=r"face\.ply: cannot be read"):
        of(pair)[0]
    assert not (pair.folder / SAMPLES).exists()


def test_all_are_prepared_at_once(tmp_path, made):
    for name in "abcd":
        write_pair(tmp_path / name)
    pairs = of(*find_pairs(tmp_path))
    done: list[None] = []
    pairs.prepare(workers=3, done=lambda: done.append(None))
    assert len(done) == 4
    assert sorted(made) == list("abcd")
    of(*find_pairs(tmp_path)).prepare(workers=2)
    assert len(made) == 4


def test_preparing_stops_at_a_bad_pair(tmp_path):
    for name in "abc":
        write_pair(tmp_path / name)
    (tmp_path / "b" / "record.json").write_text("{")
    with pytest.raises(InputError, match=r"b/record\.json: is not JSON"):
        of(*find_pairs(tmp_path)).prepare(workers=2)

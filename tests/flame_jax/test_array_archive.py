"""Archives of arrays and what they say of themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from flame_jax.array_archive import ArchiveKind, read_arrays
from flame_jax.errors import InputError

KIND = ArchiveKind("s2f test 1", "is no test", "make one")
ARRAYS: dict[str, np.ndarray] = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b.c": np.ones(2)}


def test_arrays_and_what_is_said_come_back(tmp_path: Path) -> None:
    path = tmp_path / "test.npz"
    KIND.write(path, ARRAYS, {"credit": "made here – ä"})
    arrays, about = KIND.read(path)
    assert about == {"credit": "made here – ä", "format": "s2f test 1"}
    assert arrays.keys() == ARRAYS.keys()
    for name, wanted in ARRAYS.items():
        assert arrays[name].dtype == wanted.dtype
        np.testing.assert_array_equal(arrays[name], wanted)
    assert [entry.name for entry in tmp_path.iterdir()] == ["test.npz"]


def test_a_kind_knows_its_own_even_when_damaged(tmp_path: Path) -> None:
    path = tmp_path / "test.npz"
    other = ArchiveKind("s2f other 1", "is no other", "make another")
    KIND.write(path, {"a": np.random.default_rng(0).standard_normal(1_000)}, {})
    assert KIND.is_meant_by(path)
    assert not other.is_meant_by(path)
    with pytest.raises(InputError, match=r"test\.npz: format 's2f test 1' is not 's2f other 1'; make another"):
        other.read(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    assert KIND.is_meant_by(path)
    with pytest.raises(InputError, match=r"test\.npz: is no test, or a damaged one; make one"):
        KIND.read(path)
    assert not KIND.is_meant_by(tmp_path / "absent.npz")


def test_some_of_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "test.npz"
    KIND.write(path, ARRAYS, {})
    some = read_arrays(path, ["b.c"])
    assert some is not None
    assert set(some) == {"b.c"}
    assert read_arrays(path, ["b.c", "d"]) is None
    assert read_arrays(tmp_path) is None
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("note.txt", "no array")
    assert read_arrays(path) is None


def test_what_is_not_a_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        KIND.write(tmp_path / "test.npz", ARRAYS, {"error": float("nan")})
    assert list(tmp_path.iterdir()) == []

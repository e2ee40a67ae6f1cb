"""Weights as one file."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

from flame_jax.errors import InputError
from train.weights_file import read_weights, write_weights

RNG = np.random.default_rng(0)
PARAMS: dict[str, Any] = {
    "a.kernel": RNG.normal(size=(30, 40)).astype(np.float32),
    "a.bias": np.array([0.1], np.float32),
    "s": np.float32(3.0),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.npz"
    write_weights(path, PARAMS, {"config": {"width": 3}}, kind="float32")
    return path


def test_weights_come_back(file, tmp_path):
    read, about = read_weights(file)
    assert about["config"] == {"width": 3}
    assert set(read) == set(PARAMS)
    for name, array in read.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, PARAMS[name])
    half = tmp_path / "half.npz"
    write_weights(half, PARAMS, {})
    np.testing.assert_allclose(read_weights(half)[0]["a.kernel"], PARAMS["a.kernel"], rtol=2**-11)
    assert half.stat().st_size < 0.65 * file.stat().st_size


@pytest.mark.parametrize("cut", [0, 10, 400, -1])
def test_a_file_that_was_cut_short_is_one_line(file, cut):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"weights\.npz: is no file of weights, or a damaged one; give"):
        read_weights(file)


def test_changed_bytes_are_seen(file):
    whole = bytearray(file.read_bytes())
    whole[1000] ^= 0xFF
    file.write_bytes(whole)
    with pytest.raises(InputError, match="damaged"):
        read_weights(file)


def test_pickles_are_not_read(tmp_path):
    class Harm:
        def __reduce__(self):
            return (pytest.fail, ("ran",))

    path = tmp_path / "w.npz"
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)
    stream = io.BytesIO()
    np.savez(stream, about=np.array([{}], dtype=object))
    path.write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


def test_other_archives_are_refused(tmp_path):
    path = tmp_path / "w.npz"

    def write(about: bytes, **arrays: np.ndarray) -> None:
        np.savez(path, **arrays, about=np.frombuffer(about, np.uint8))  # type: ignore[arg-type]

    write(b'{"format": "s2f prior 1"}')
    with pytest.raises(InputError, match="format 's2f prior 1' is not 's2f weights 1'"):
        read_weights(path)
    for array in (np.array([np.nan], np.float32), np.array(["text"]), np.array([1], np.int64)):
        write(b'{"format": "s2f weights 1"}', a=array)
        with pytest.raises(InputError, match="damaged"):
            read_weights(path)
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "absent.npz")


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_what_half_precision_cannot_hold_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match="parameter a has values that are not finite as float16"):
        write_weights(tmp_path / "w.npz", {"a": np.array([value], np.float32)}, {})
    assert list(tmp_path.iterdir()) == []


def test_the_record_s_name_is_taken(tmp_path):
    with pytest.raises(ValueError, match="cannot be named about"):
        write_weights(tmp_path / "w.npz", {"about": np.ones(1)}, {})

"""Head model files: damaged and hostile ones are refused in one line, and nothing is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from flame_jax import InputError, read_head_model
from tests.flame_made import chumpy_pickle, flame_parts, plain_pickle, write_npz

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"


class _Hostile:
    def __init__(self, function: object, argument: str):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(("function", "name"), [(os.system, "system"), (eval, "eval"), (getattr, "getattr")])
def test_calls_are_refused_and_never_made(tmp_path: Path, protocol: int, function: object, name: str) -> None:
    mark = tmp_path / "mark"
    argument = f"touch {mark}" if name == "system" else f"open({str(mark)!r}, 'w')"
    content = {**flame_parts(), "extra": _Hostile(function, argument)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(InputError, match=rf"a\.pkl: it refers to \w+\.{name}, .*nothing was run") as caught:
        read_head_model(tmp_path / "a.pkl")
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_hostile_npz_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    parts = flame_parts() | {"J_regressor": np.array([_Hostile(os.system, f"touch {mark}")], dtype=object)}
    with pytest.raises(InputError, match=r"J_regressor: it refers to \w+\.system, .*nothing was run"):
        read_head_model(write_npz(tmp_path / "a.npz", parts))
    assert not mark.exists()


def test_names_within_chumpy_are_inert(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    call = b"cchumpy.os\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    (tmp_path / "a.pkl").write_bytes(b"(dS'v_template'\n" + call[:-1] + b"s.")
    with pytest.raises(InputError, match=r"v_template: an expression of chumpy\.os\.system"):
        read_head_model(tmp_path / "a.pkl")
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html>please log in</html>",
        b"version https://example.org/spec/v1\noid sha256:0\n",
        b"\x80\x02]q\x00.",
        b"\x80\x02}q\x00.",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"PK\x03\x04",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    _refused(tmp_path / "a.pkl")


def test_absent_file_and_folder_are_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "none.npz")
    _refused(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("v_template", np.full((42, 3), np.nan), "v_template has numbers that are not finite"),
        ("v_template", np.full((42, 3), 1e300), "v_template has numbers that are not finite"),
        ("v_template", np.zeros((41, 3)), "not 41 x 3 x any"),
        ("shapedirs", np.zeros((42, 3)), "shapedirs is 42 x 3"),
        ("f", np.array([[0, 1, 42]]), "faces points outside the 42"),
        ("f", np.array([[0.5, 1, 2]]), "faces is not an array of indices"),
        ("f", np.zeros((0, 3), int), "no faces"),
        ("weights", np.zeros((42, 4)), "lbs_weights is 42 x 4"),
        ("kintree_table", np.array([[2**32 - 1, 0, 1, 1, 9]]), "no tree"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path: Path, key: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_head_model(write_npz(tmp_path / "a.npz", flame_parts() | {key: value}))


def _small_files(tmp_path: Path) -> list[bytes]:
    parts = flame_parts(12)
    # Few numbers, so that damage falls on the structure as often as on them.
    parts = parts | {"shapedirs": parts["shapedirs"][:, :, :2]}
    del parts["posedirs"]
    npz = write_npz(tmp_path / "small.npz", parts).read_bytes()
    chumpy = parts | {"posedirs": np.zeros((12, 3, 36))}
    return [npz, plain_pickle(parts), plain_pickle(parts, 5), plain_pickle(parts, 0), chumpy_pickle(chumpy)]


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    for content in _small_files(tmp_path):
        for length in np.linspace(0, len(content) - 1, 80).astype(int):
            (tmp_path / "a").write_bytes(content[:length])
            _refused(tmp_path / "a")


@pytest.mark.parametrize("flips", [1, 4, 30])
def test_damaged_files_are_read_or_refused(tmp_path: Path, flips: int) -> None:
    rng = np.random.default_rng(flips)
    refused = 0
    for content in _small_files(tmp_path):
        for _ in range(120):
            damaged = bytearray(content)
            for place in rng.integers(0, len(content), flips):
                damaged[place] = rng.integers(256)
            (tmp_path / "a").write_bytes(damaged)
            try:
                read_head_model(tmp_path / "a")
            except InputError as error:
                _expect_one_line(error, tmp_path / "a")
                refused += 1
    assert refused > 50


def test_random_instructions_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = np.frombuffer(
        b"()tlds]}0123.KMNIJTUXhqpgcRbBCa\x80\x81\x85\x86\x87\x88\x8c\x8e\x90\x91\x93\x94\x95\x96 \n", "u1"
    )
    for _ in range(600):
        (tmp_path / "a").write_bytes(b"}" + rng.choice(codes, 60).tobytes() + b".")
        _refused(tmp_path / "a")


def _refused(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_head_model(path)
    _expect_one_line(caught.value, path)


def _expect_one_line(error: InputError, path: Path) -> None:
    message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "give FLAME's own .pkl" in message
    assert len(message) < 400 + len(str(path))

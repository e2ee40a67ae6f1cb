"""Arrays that are kept so that they are made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flame_jax.errors import InputError
from flame_jax.kept_arrays import keep_arrays, read_kept

ARRAYS: dict[str, np.ndarray] = {"a": np.arange(3), "b": np.ones((2, 2), np.float16)}


def test_what_was_kept_is_found_by_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    assert read_kept(path, ARRAYS, made_from="x") is None
    keep_arrays(path, ARRAYS, made_from="x")
    found = read_kept(path, ARRAYS, made_from="x")
    assert found is not None
    for name, wanted in ARRAYS.items():
        assert found[name].dtype == wanted.dtype
        np.testing.assert_array_equal(found[name], wanted)
    assert read_kept(path, ARRAYS, made_from="y") is None
    assert read_kept(path, [*ARRAYS, "new"], made_from="y") is None


def test_what_is_damaged_or_lacks_something_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    keep_arrays(path, ARRAYS)
    for names, marks in (("c",), {}), (ARRAYS, {"made_from": "x"}):
        with pytest.raises(InputError, match=r"kept\.npz: damaged; remove it, and it is made again"):
            read_kept(path, names, **marks)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="damaged"):
        read_kept(path, ARRAYS)

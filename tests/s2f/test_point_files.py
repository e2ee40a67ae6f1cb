"""Points that a user placed: every form is read, damaged ones are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flame_jax import InputError
from s2f.point_files import read_points


def test_points_are_read_from_every_form(tmp_path):
    points = np.random.default_rng(0).normal(size=(51, 3))
    points[2, 1] = np.nan
    expected = points.copy()
    expected[2] = np.nan
    np.save(tmp_path / "a.npy", points.astype(np.float64))
    rows = [None if np.isnan(row).any() else row.tolist() for row in points]
    (tmp_path / "b.json").write_text(json.dumps(rows))
    rows[2] = [1.0, None, 2.0]
    (tmp_path / "c.json").write_text(json.dumps({"points": rows}))
    for name in ("a.npy", "b.json", "c.json"):
        np.testing.assert_array_equal(read_points(tmp_path / name), expected)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.json", None),
        ("a.txt", b"1 2 3"),
        ("a.json", b"{"),
        ("a.json", b"[" * 100_000),
        ("a.json", b'{"dots": []}'),
        ("a.json", b"[[1, 2, 3]]"),
        ("a.json", json.dumps([["1", "2", "3"]] * 51).encode()),
        ("a.json", json.dumps([[1, 2]] * 51).encode()),
        ("a.json", json.dumps([[10**400, 0, 0]] * 51).encode()),
        ("a.json", json.dumps([[True, 0, 0]] * 51).encode()),
        ("a.npy", b"\x93NUMPY"),
        ("a.npy", b""),
    ],
)
def test_damaged_points_are_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_points(tmp_path / name)


def test_arrays_of_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, "a", None]] * 51, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy"):
        read_points(tmp_path / "a.npy")

"""What a JSON file holds, or one line about it."""

from __future__ import annotations

import numpy as np
import pytest

from data.json_file import numbers, read_json_object
from flame_jax.errors import InputError


def test_an_object_comes_back(tmp_path):
    (tmp_path / "a.json").write_text('{"x": [1, 2]}', encoding="utf-8")
    assert read_json_object(tmp_path / "a.json", "mend it") == {"x": [1, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"{} {}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
    ],
)
def test_anything_else_is_told(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}; mend it"):
        read_json_object(path, "mend it")


def test_numbers_of_a_shape(tmp_path):
    np.testing.assert_array_equal(numbers(tmp_path, [[1, 2.5]], (1, 2), "x"), [[1.0, 2.5]])
    assert numbers(tmp_path, 3, (), "x") == 3.0


@pytest.mark.parametrize("value", [None, "three", [1.0], [1.0, None], [1.0, [2.0]], [1.0, float("nan")], {"x": 1}])
def test_what_are_no_such_numbers(tmp_path, value):
    with pytest.raises(InputError, match="x is not 2 numbers; correct it in the file"):
        numbers(tmp_path, value, (2,), "x")

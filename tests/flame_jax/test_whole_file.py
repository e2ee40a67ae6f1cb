from __future__ import annotations

from pathlib import Path

import pytest

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file


def test_what_is_written_appears_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "new" / "face.json"
    for text in ("first", "second"):
        with whole_file(target) as unfinished:
            assert unfinished.suffix == ".json"
            unfinished.write_text(text)
        assert target.read_text() == text
    assert [file.name for file in target.parent.iterdir()] == ["face.json"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "face.json"
    target.write_text("before")

    def fail() -> None:
        with whole_file(target) as unfinished:
            unfinished.write_text("half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("face.json", "before")]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "face.json", tmp_path):
        with pytest.raises(InputError, match=r"^" + str(target)), whole_file(target) as unfinished:
            unfinished.write_text("x")

"""Finding pairs: in order, whatever else lies about, and what is incomplete is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.pairs.folders import find_all_pairs, find_pairs
from flame_jax.errors import InputError


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pairs_come_by_name(tmp_path):
    for name in ("000010", "000002", "anna"):
        make(tmp_path / name, "skull.ply", "face.ply", "record.json", "face.png", "skull_notes.txt")
    make(tmp_path / "figures", "sheet.png")
    make(tmp_path / ".trash", "skull.ply")
    (tmp_path / "skull.ply").touch()
    assert [pair.folder.name for pair in find_pairs(tmp_path)] == ["000002", "000010", "anna"]
    assert find_pairs(tmp_path)[0].record == tmp_path / "000002" / "record.json"


def test_any_mesh_that_can_be_read(tmp_path):
    case = make(tmp_path / "a", "skull.STL", "face.obj", "face.mtl")
    (pair,) = find_pairs(tmp_path)
    assert (pair.skull, pair.face) == (case / "skull.STL", case / "face.obj")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["skull.ply"], r"a: has no face\.ply; finish the pair or remove its folder"),
        (["face.ply"], r"a: has no skull\.ply"),
        (["face.ply", "skull.nii"], r"a: has no skull\.ply"),
        (["face.ply", "skull.ply", "skull.stl"], r"a: has skull\.ply and skull\.stl; keep one"),
    ],
)
def test_what_is_no_pair_is_told(tmp_path, names, message):
    make(tmp_path / "a", *names)
    with pytest.raises(InputError, match=message):
        find_pairs(tmp_path)


def test_folders_without_pairs_are_told(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pairs; a folder of pairs holds one folder per case"):
        find_pairs(tmp_path)
    with pytest.raises(InputError, match="a: is one pair; give the folder that holds it"):
        find_pairs(make(tmp_path / "a", "skull.ply", "face.ply"))


def test_several_folders_keep_their_order(tmp_path):
    for folder in ("z", "a"):
        make(tmp_path / folder / "1", "skull.ply", "face.ply")
    found = find_all_pairs([tmp_path / "z", tmp_path / "a"])
    assert [pair.folder for pairs in found for pair in pairs] == [tmp_path / "z" / "1", tmp_path / "a" / "1"]
    with pytest.raises(InputError, match="is given twice"):
        find_all_pairs([tmp_path / "z", tmp_path / "a" / ".." / "z"])
    with pytest.raises(InputError, match="no folder of pairs is given"):
        find_all_pairs([])

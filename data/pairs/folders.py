"""Finds skull–face pairs on disk: a folder of pairs holds one folder per case, and in it a skull and a face."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from data.mesh_files import READABLE
from flame_jax.errors import InputError

SKULL, FACE = "skull", "face"
"""Names of the two surfaces' files, whatever their extension."""
RECORD = "record.json"
_LAYOUT = "a folder of pairs holds one folder per case, each with a skull.ply and a face.ply"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Where one pair lies."""

    folder: Path
    """Of the case."""
    skull: Path
    face: Path

    @property
    def record(self) -> Path:
        """The pair's record, whether or not there is one."""
        return self.folder / RECORD


def find_pairs(folder: Path) -> tuple[Pair, ...]:
    """The pairs in a folder, by the names of their folders.

    A case has exactly one `skull` and one `face`, each with an extension that `data.mesh_files` reads. Folders with
    neither, and hidden ones, are none of our business.

    Raises `InputError` when the folder is absent, holds no pair, or a case lacks a surface or has one twice.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of pairs")
    if _surfaces(folder, SKULL) and _surfaces(folder, FACE):
        raise InputError(f"{folder}: is one pair; give the folder that holds it")
    try:
        cases = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        found = [pair for pair in map(_pair, cases) if pair is not None]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    if not found:
        raise InputError(f"{folder}: holds no pairs; {_LAYOUT}")
    return tuple(found)


def find_all_pairs(folders: Sequence[Path]) -> tuple[tuple[Pair, ...], ...]:
    """The pairs of several folders, in the order given. Raises `InputError` also when a folder is given twice."""
    if not folders:
        raise InputError(f"no folder of pairs is given; {_LAYOUT}")
    known: set[Path] = set()
    for folder in folders:
        if folder.resolve() in known:
            raise InputError(f"{folder}: is given twice; give each folder of pairs once")
        known.add(folder.resolve())
    return tuple(find_pairs(folder) for folder in folders)


def _pair(folder: Path) -> Pair | None:
    skulls, faces = _surfaces(folder, SKULL), _surfaces(folder, FACE)
    if not skulls and not faces:
        return None
    for name, files in ((SKULL, skulls), (FACE, faces)):
        if not files:
            raise InputError(f"{folder}: has no {name}.ply; finish the pair or remove its folder")
        if len(files) > 1:
            raise InputError(f"{folder}: has {' and '.join(file.name for file in files)}; keep one of them")
    return Pair(folder, skulls[0], faces[0])


def _surfaces(folder: Path, name: str) -> list[Path]:
    return sorted(file for file in folder.glob(f"{name}.*") if file.stem == name and file.suffix.lower() in READABLE)

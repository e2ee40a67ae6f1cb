"""Whether results may be written where they are asked for: found out before any work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from flame_jax.errors import InputError


def face_outputs(out: Path) -> tuple[Path, Path, Path]:
    """The files of one face: the mesh, and beside it the record (.json) and the picture (.png)."""
    return out, out.with_suffix(".json"), out.with_suffix(".png")


def spread_output(out: Path) -> Path:
    """The file of a face's standard deviations, beside it."""
    return out.with_suffix(".sd.json")


def sample_outputs(out: Path, count: int) -> list[Path]:
    """The files of `count` further faces, beside the one: face_001.obj, face_002.obj, …"""
    return [out.with_name(f"{out.stem}_{number:03d}{out.suffix}") for number in range(1, count + 1)]


def check_extension(out: Path, known: Sequence[str]) -> None:
    """Raise InputError unless `out` ends with one of the extensions."""
    if out.suffix.lower() not in known:
        raise InputError(f"{out}: cannot write '{out.suffix}'; name the file with one of {', '.join(known)}")


def check_outputs(outputs: Sequence[Path], *, inputs: Iterable[Path | None] = (), overwrite: bool = False) -> None:
    """Raise InputError unless all outputs can be written, harm no input and, without `overwrite`, do not exist yet."""
    read = {path.resolve() for path in inputs if path is not None}
    for path in outputs:
        if path.resolve() in read:
            raise InputError(f"{path}: is read and would be written; give another name to --out")
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a file in it")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists already; choose another --out, or give --overwrite")
        _check_writable_folder(path)


def _check_writable_folder(path: Path) -> None:
    """Folders that are not there will be made, in the nearest one that is."""
    nearest = path.absolute().parent
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{path}: cannot be written, since {nearest} is not a folder; choose another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{path}: {nearest} cannot be written to; choose another --out")

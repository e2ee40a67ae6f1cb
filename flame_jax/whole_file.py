"""Results appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from flame_jax.errors import InputError


@contextlib.contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A name to write to, in the folder of `path` (made if need be) and of the same extension.

    Leaving the block moves what was written to `path`; an exception in it leaves nothing behind.

    Raises:
        InputError: The folder or the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file in it")
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: cannot be written ({reason}); choose another place") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)

"""What a result was made from, for the record beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

SEED = 0
"""Every random choice on the way from a skull to a face is drawn from it."""

_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Checksum of a file; of a DICOM folder, of the names and contents of the files in it, sorted by name.

    A .dcm file stands for the folder that it lies in, as it does for reading.
    """
    if path.suffix.lower() == ".dcm":
        path = path.parent
    if not path.is_dir():
        return _content_digest(path).hex()
    digest = hashlib.sha256()
    for file in sorted(entry for entry in path.iterdir() if entry.is_file()):
        digest.update(file.name.encode() + b"\0" + _content_digest(file))
    return digest.hexdigest()


def _content_digest(file: Path) -> bytes:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.digest()

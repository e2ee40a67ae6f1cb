"""What code a run or a result was made by: commit and versions."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

UNKNOWN = "unknown"
_CODE = Path(__file__).resolve().parents[1]
_COMPUTING = ("jax", "jaxlib", "flax", "numpy", "scipy", "open3d", "open3d-cpu", "trimesh", "SimpleITK")
_TRAINING = ("optax", "orbax-checkpoint")


def commit(folder: Path = _CODE) -> tuple[str, bool | None]:
    """Hash of the commit that a folder is at, and whether files in it differ from it.

    ("unknown", None) where the folder is not the top of a git repository or there is no git: an installed package
    may well lie in a repository that it is no part of.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return UNKNOWN, None
    head, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return (UNKNOWN if head is None else head), (None if changes is None else bool(changes))


def versions() -> dict[str, str]:
    """Versions of Python and of what trains and computes results, as far as it is installed."""
    found = {"python": platform.python_version()}
    for name in ("s2f", *_COMPUTING, *_TRAINING):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, encoding="utf-8", check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

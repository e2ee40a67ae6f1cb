"""Where what took long to make is kept for the user's next process."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """`$XDG_CACHE_HOME` or `~/.cache`. The XDG base directory specification has paths ignored that are not absolute.

    Raises:
        RuntimeError: There is no home.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return folder if folder.is_absolute() else Path.home() / ".cache"

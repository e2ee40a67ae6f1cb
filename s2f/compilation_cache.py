"""Where compiled programs are kept between processes, so that only the first run on a machine pays for compilation."""

from __future__ import annotations

import os
from pathlib import Path

from flame_jax.user_cache import user_cache


def cache_folder() -> Path:
    """JAX's own setting if the user made it, else a folder of ours in the user's cache."""
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return user_cache() / "s2f" / "xla"


def use_compilation_cache() -> None:
    """Keep what JAX compiles from now on in `cache_folder()`, small programs too."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

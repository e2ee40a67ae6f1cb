"""`--shapes` checks every shape and type annotation of the seven packages while the tests run."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ["flame_jax", "fields", "data", "train", "configs", "eval", "s2f"]
_MAPPED = Path("/proc/self/maps")
_MOST_MAPPED = 25_000
"""Linux gives a process 65,530 maps of memory unless told otherwise. XLA takes some for every program that it compiles,
all tests together took more, and a process that gets none dies."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shapes", action="store_true", help="check annotated shapes and types (jaxtyping, beartype)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--shapes"):
        import jaxtyping

        jaxtyping.install_import_hook(PACKAGES, "beartype.beartype")


@pytest.fixture(scope="module", autouse=True)
def _few_programs() -> Iterator[None]:
    """Compiled programs are let go between modules when there are many."""
    yield
    if "jax" in sys.modules and _MAPPED.exists() and _MAPPED.read_bytes().count(b"\n") > _MOST_MAPPED:
        sys.modules["jax"].clear_caches()
        gc.collect()

"""`--shapes` checks every shape and type annotation of the seven packages while the tests run."""

from __future__ import annotations

import pytest

PACKAGES = ["flame_jax", "fields", "data", "train", "configs", "eval", "s2f"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shapes", action="store_true", help="check annotated shapes and types (jaxtyping, beartype)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--shapes"):
        import jaxtyping

        jaxtyping.install_import_hook(PACKAGES, "beartype.beartype")

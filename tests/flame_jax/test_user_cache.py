"""The user's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_jax.user_cache import user_cache


@pytest.mark.parametrize(("chosen", "wanted"), [("own", "own"), (None, "home/.cache"), ("", "home/.cache")])
def test_the_user_s_choice_or_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str | None, wanted: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if chosen is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", chosen and str(tmp_path / chosen))
    assert user_cache() == tmp_path / wanted


def test_a_relative_path_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert user_cache() == tmp_path / ".cache"

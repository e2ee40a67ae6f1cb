"""Commit and versions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from train.origin import UNKNOWN, commit, versions


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, encoding="utf-8"
    ).stdout.strip()


def test_a_commit_and_what_differs_from_it(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a.py").write_text("1\n")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "--quiet", "--message", "m")
    assert commit(tmp_path) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "a.py").write_text("2\n")
    assert commit(tmp_path)[1] is True
    (tmp_path / "inner").mkdir()
    assert commit(tmp_path / "inner") == (UNKNOWN, None), "lies in a repository that it is no part of"


def test_no_repository_and_no_git(tmp_path, monkeypatch):
    assert commit(tmp_path) == (UNKNOWN, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == (UNKNOWN, None)


@pytest.mark.parametrize("name", ["python", "s2f", "jax", "flax", "numpy", "SimpleITK", "optax", "orbax-checkpoint"])
def test_versions_name_what_is_installed(name):
    assert versions()[name]


def test_open3d_goes_by_either_name():
    assert {"open3d", "open3d-cpu"} & set(versions())

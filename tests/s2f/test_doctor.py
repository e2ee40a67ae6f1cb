from __future__ import annotations

import importlib.metadata
import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from s2f import compilation_cache, doctor

ROOT = Path(__file__).parents[2]


def _rows() -> dict[str, doctor.Row]:
    return {row.item: row for row in doctor.examine()}


def test_what_the_tests_run_on_is_present() -> None:
    rows = _rows()
    for item in ("s2f", "Python", "jax", "numpy", "trimesh", "open3d loads", "JAX devices", "extra dev"):
        assert rows[item].status == doctor.PRESENT, rows[item]
        assert not rows[item].remedy
    assert {"extra texture", "extra viewer", "extra cuda", "extra tpu"} <= set(rows)


def test_every_gap_has_a_remedy() -> None:
    for row in doctor.examine():
        assert (row.status == doctor.PRESENT) == (not row.remedy)


def test_absent_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "viser":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    row = _rows()["extra viewer"]
    assert row == doctor.Row(
        "extra viewer", doctor.ABSENT, "without viser", "pip install 's2f[viewer]' -c constraints.txt"
    )


def test_missing_system_library_gives_the_apt_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> SimpleNamespace:
        raise OSError("libusb-1.0.so.0: cannot open shared object file\nmore")

    monkeypatch.setattr(doctor, "importlib", SimpleNamespace(import_module=import_module))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    row = doctor._open3d()
    assert row.status == doctor.MISSING
    assert row.remedy == doctor.APT_LINE
    assert "\n" not in row.found


def test_apt_line_names_the_packages_that_make_installs() -> None:
    script = (ROOT / "scripts" / "system-packages").read_text()
    listed = [line.split()[1] for line in script.split('libraries="\n')[1].split('"')[0].splitlines()]
    assert doctor.APT_LINE.split("recommends ")[1].split() == listed


@pytest.mark.parametrize(("status", "code"), [(doctor.PRESENT, 0), (doctor.ABSENT, 0), (doctor.MISSING, 1)])
def test_exit_status(monkeypatch: pytest.MonkeyPatch, status: str, code: int) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Row("x", status, "found", "pip install 's2f[viewer]'")])
    console = Console(file=io.StringIO(), width=200)
    assert doctor.doctor(console) == code
    assert "s2f[viewer]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_cache_folder_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compilation_cache.cache_folder() == tmp_path / "s2f" / "xla"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))
    assert compilation_cache.cache_folder() == tmp_path / "own"


def test_import_is_light() -> None:
    program = "import sys, s2f.doctor; sys.exit(bool({'jax', 'open3d', 'trimesh'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0

"""`s2f doctor`: what is installed, what is missing, how to get it.

Nothing heavy is imported at the top, so that it runs, and says so, where a dependency is broken.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.resources
import os
import platform
import warnings
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rich.console import Console
from rich.table import Table
from rich.text import Text

from s2f.compilation_cache import cache_folder

PRESENT, ABSENT, MISSING = "present", "absent", "missing"
"""Statuses: there; not there and not needed for the main job; needed and not there."""

APT_LINE = (
    "sudo apt-get update && sudo apt-get install --yes --no-install-recommends "
    "libusb-1.0-0 libgl1 libegl1 libx11-6 libgomp1"
)
"""What open3d needs from Debian or Ubuntu."""

_REINSTALL = "make env"


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that was looked at."""

    item: str
    """What it is."""
    status: str
    """PRESENT, ABSENT or MISSING."""
    found: str
    """Version, device or place; the reason where it is not there."""
    remedy: str = ""
    """How to get it; empty if present."""


def examine() -> list[Row]:
    """Look at everything; never raises for what is missing."""
    try:
        metadata = importlib.metadata.metadata("s2f")
    except importlib.metadata.PackageNotFoundError:
        return [Row("s2f", MISSING, "not installed", _REINSTALL)]
    return [
        Row("s2f", PRESENT, metadata["Version"]),
        _python(metadata["Requires-Python"]),
        *_core(),
        _open3d(),
        _jax_devices(),
        *_extras(metadata.get_all("Provides-Extra") or []),
        *_assets(),
        _cache(),
    ]


def doctor(console: Console | None = None) -> int:
    """Print what `examine` finds; exit status 1 if something needed is missing, else 0."""
    rows = examine()
    table = Table("item", "status", "found")
    colours = {PRESENT: "green", ABSENT: "yellow", MISSING: "red"}
    for row in rows:
        table.add_row(row.item, Text(row.status, style=colours[row.status]), Text(row.found))
    console = console or Console()
    console.print(table)
    for row in rows:
        if row.remedy:  # on a line of its own, so that it can be copied
            console.print(Text(f"{row.item} is {row.status}: {row.remedy}"), soft_wrap=True)
    return int(any(row.status == MISSING for row in rows))


def _python(wanted: str) -> Row:
    version = platform.python_version()
    if SpecifierSet(wanted).contains(version):
        return Row("Python", PRESENT, version)
    return Row("Python", MISSING, f"{version}, wanted {wanted}", "make .venv with another Python: make env")


def _core() -> Iterator[Row]:
    for requirement in _requirements("s2f", ""):
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield Row(requirement.name, MISSING, "not installed", _REINSTALL)
        else:
            yield Row(requirement.name, PRESENT, found)


def _open3d() -> Row:
    try:
        importlib.import_module("open3d")
    except Exception as error:  # the loader raises OSError, others come from what open3d imports
        remedy = APT_LINE if platform.system() == "Linux" else _REINSTALL
        return Row("open3d loads", MISSING, _first_line(error), remedy)
    return Row("open3d loads", PRESENT, "with its system libraries")


def _jax_devices() -> Row:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jax = importlib.import_module("jax")
            devices = jax.devices()
    except Exception as error:  # a plugin without its driver raises whatever it likes
        return Row("JAX devices", MISSING, _first_line(error), "JAX_PLATFORMS=cpu uses the processor")
    kinds = [device.device_kind for device in devices]
    counts = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    return Row("JAX devices", PRESENT, f"{jax.default_backend()}: {counts}")


def _extras(names: list[str]) -> Iterator[Row]:
    for name in names:
        lacking = sorted({lack for requirement in _requirements("s2f", name) for lack in _lacking(requirement)})
        remedy = f"pip install 's2f[{name}]' -c constraints.txt"
        if lacking:
            yield Row(f"extra {name}", ABSENT, f"without {', '.join(lacking)}", remedy)
        else:
            yield Row(f"extra {name}", PRESENT, "complete")


def _requirements(distribution: str, extra: str) -> list[Requirement]:
    """What a distribution needs here: always if `extra` is empty, else what that extra adds."""
    requirements = map(Requirement, importlib.metadata.requires(distribution) or [])

    def wanted(requirement: Requirement) -> bool:
        marker = requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        return always if not extra else not always and marker is not None and marker.evaluate({"extra": extra})

    return [requirement for requirement in requirements if wanted(requirement)]


def _lacking(requirement: Requirement) -> Iterator[str]:
    """Names of what is not installed of a requirement and of the extras that it asks for."""
    try:
        importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        yield requirement.name
        return
    for extra in requirement.extras:
        for further in _requirements(requirement.name, extra):
            yield from _lacking(further)


def _assets() -> Iterator[Row]:
    folder = importlib.resources.files("s2f") / "assets"
    files = sorted(
        (file for file in folder.iterdir() if not file.name.startswith(".")) if folder.is_dir() else (),
        key=lambda file: file.name,
    )
    for file in files:
        if file.is_file():
            yield Row(f"asset {file.name}", PRESENT, f"{len(file.read_bytes()) / 1e6:.1f} MB")
    if not any(file.name.endswith(".npz") for file in files):
        yield Row(
            "anatomy prior", MISSING, "no .npz in s2f/assets", "check s2f/assets out again, or make it: s2f build-prior"
        )


def _cache() -> Row:
    folder = cache_folder()
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK):
        return Row("compilation cache", ABSENT, f"{folder} cannot be written", "set JAX_COMPILATION_CACHE_DIR")
    return Row("compilation cache", PRESENT, str(folder))


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__

"""Holds the arrows of the design: no package imports one below it, and the Blender extension imports none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["flame_jax", "fields", "data", "train", "configs", "eval", "s2f"]
OUTSIDE = ["blender_addon", "tests"]


def _imported(source: str) -> set[str]:
    """Top-level names that Python source imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
        elif (
            isinstance(node, ast.Call)
            and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", ""))
            in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(str(node.args[0].value).partition(".")[0])
    return names


def _forbidden(package: str) -> set[str]:
    if package == "blender_addon":
        return {*ORDER, "tests"}
    return {*ORDER[ORDER.index(package) + 1 :], *OUTSIDE}


def _violations(root: Path, package: str) -> list[str]:
    return [
        f"{file.relative_to(root)} imports {name}"
        for file in sorted((root / package).rglob("*.py"))
        for name in sorted(_imported(file.read_text(encoding="utf-8")) & _forbidden(package))
    ]


@pytest.mark.parametrize("package", [*ORDER, "blender_addon"])
def test_no_package_imports_one_below_it(package: str) -> None:
    assert _violations(ROOT, package) == []


def test_the_seven_packages_are_there() -> None:
    assert [package for package in ORDER if not (ROOT / package / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    "line",
    [
        "import data",
        "import data.units as units",
        "from s2f.doctor import examine",
        "from tests import data_made",
        "def later():\n    from train import loop",
        "import importlib\nimportlib.import_module('eval.regions')",
        "try:\n    import configs\nexcept ImportError:\n    pass",
    ],
)
def test_a_violation_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "allowed.py").write_text(
        "import flame_jax\nfrom fields.mesh import Mesh\nfrom . import data\n"
    )
    assert _violations(tmp_path, "fields") == []
    (tmp_path / "fields" / "wrong.py").write_text(line)
    assert len(_violations(tmp_path, "fields")) == 1
    (tmp_path / "blender_addon").mkdir()
    (tmp_path / "blender_addon" / "wrong.py").write_text("import flame_jax")
    assert _violations(tmp_path, "blender_addon") == ["blender_addon/wrong.py imports flame_jax"]

"""The benchmark runs, compares like with like, and says what it left out. Nothing here is about time."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from rich.console import Console

from eval.bench.fit import FREE, made_scan
from eval.bench.flame import QUICK, bench_flame
from eval.bench.forward import bench_forward
from eval.bench.made_flame import has_full_layout, made_flame
from eval.bench.scipy_fit import ROBUST, SD_MM, RigidHead, head_to_scan, scan_to_head
from eval.bench.table import BenchTable, Row
from flame_jax import HeadModel
from flame_jax.fitting import Stage, fit
from flame_jax.flame import Flame
from flame_jax.parameters import Parameters
from flame_jax.residuals import Prior
from flame_jax.scan_residuals import HeadToScan, ScanToHead

_COMPONENTS = 4


def _egg(subdivisions: int = 3) -> HeadModel:
    """An egg as large as a head, in mm, whose components are smooth waves; its joints move with them."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    directions = np.array(ball.vertices)
    rng = np.random.default_rng(0)
    waves = np.sin(directions @ rng.normal(size=(3, _COMPONENTS)) + rng.normal(size=_COMPONENTS))
    count = len(directions)
    regressor = np.zeros((1, count))
    regressor[0, :3] = 1 / 3
    return HeadModel(
        v_template=directions * [70, 100, 85],
        shapedirs=4 * directions[:, :, None] * waves[:, None, :],
        faces=np.array(ball.faces, np.int32),
        metres_per_unit=1e-3,
        j_regressor=regressor,
        kintree_parents=np.array([-1]),
        lbs_weights=np.ones((count, 1)),
        name="egg",
    )


def test_rigid_head_is_the_model() -> None:
    flame = Flame.of(_egg())
    rng = np.random.default_rng(1)
    betas, turn, shift = rng.normal(size=_COMPONENTS), rng.normal(size=3), 10 * rng.normal(size=3)
    posed = RigidHead.of(flame).at(np.concatenate([betas, turn, shift]))

    @jax.jit
    def true(betas: jax.Array, turn: jax.Array, shift: jax.Array) -> tuple[jax.Array, jax.Array]:
        true = flame.shaped(betas).posed(global_orient=turn, transl=shift)
        return true.vertices, true.normals

    vertices, normals = true(*(jnp.asarray(value, jnp.float32) for value in (betas, turn, shift)))
    np.testing.assert_allclose(posed.vertices, vertices, atol=1e-3)
    np.testing.assert_allclose(posed.normals, normals, atol=1e-4)


@pytest.mark.parametrize("turn", [(0, 0, 0), (1e-5, 0, 2e-5), (0.4, -1.0, 0.7)])
def test_derivatives_along_directions(turn: tuple[float, float, float]) -> None:
    head = RigidHead.of(Flame.of(_egg(2)))
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(size=_COMPONENTS), turn, 10 * rng.normal(size=3)])
    directions = rng.normal(size=head.template.shape)
    steps = 1e-5 * np.eye(len(x))
    moved = np.stack([(head.at(x + h).vertices - head.at(x - h).vertices) / 2e-5 for h in steps], axis=-1)
    np.testing.assert_allclose(head.at(x).along(directions), np.einsum("vd,vdk->vk", directions, moved), atol=1e-4)


@pytest.mark.parametrize("direction", ["head to scan", "scan to head"])
def test_both_minimise_the_same(direction: str) -> None:
    flame = Flame.of(_egg(2))
    scan = made_scan(flame, 600, seed=0)
    prior = Prior.of("betas", 1.0, width=_COMPONENTS)
    head = RigidHead.of(flame)
    to_head = direction == "scan to head"
    problem = (scan_to_head if to_head else head_to_scan)(head, scan)
    term: ScanToHead | HeadToScan = (ScanToHead if to_head else HeadToScan).of(flame, scan, sd=SD_MM, robust=ROBUST)
    model, start = jax.tree.map(jnp.asarray, flame), Parameters.neutral(flame)

    def after(steps: int) -> tuple[np.ndarray, float]:
        found = fit(model, (term, prior), start, (Stage(FREE, max_iterations=steps, cost_tolerance=0.0),))
        x = np.concatenate([np.asarray(getattr(found.parameters, group), np.float64) for group in FREE])
        return x, float(found.cost)

    for steps in (0, 1, 4):
        x, cost = after(steps)
        # Nearest points differ where two are equally near.
        assert problem.cost(x) == pytest.approx(cost, rel=2e-3)
    # The first step by these derivatives is the one that ours takes, damped by a thousandth.
    x = after(0)[0]
    jacobian, residuals = problem.jacobian(x), problem.residuals(x)
    hessian = jacobian.T @ jacobian
    step = -np.linalg.solve(hessian + 1e-3 * np.diag(np.diag(hessian)), jacobian.T @ residuals)
    np.testing.assert_allclose(after(1)[0] - x, step, atol=0.01 * np.abs(step).max())


@pytest.fixture(scope="module")
def table() -> BenchTable:
    size = dataclasses.replace(
        QUICK, made_vertices=120, batches=(1,), points=600, components=(2, 100), scans=2, batch_rounds=1
    )
    return bench_flame(_egg(2), None, size)


def test_every_comparison_is_there(table: BenchTable) -> None:
    whats = [row.what for row in table.rows]
    for expected in ("forward, batch 1", "gradient, batch 1", "vmap", "lax.map"):
        assert any(expected in what for what in whats), expected
    assert sum(what.startswith("head to scan") for what in whats) == 1
    assert sum(what.startswith("scan to head") for what in whats) == 1
    assert any("100 components: left out" in line for line in table.left_out)
    for row in table.rows:
        if "scan, " not in row.what and "head, " not in row.what:
            assert row.ours_s is not None, row
            assert row.ours_s > 0
        else:
            assert "ours" in row.note


def test_table_is_printed_and_written(table: BenchTable, tmp_path: Path) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    table.print(console)
    shown = console.export_text()
    for row in table.rows:
        assert row.what in shown
    table.write(tmp_path / "t.json")
    table.write(tmp_path / "t.md")
    stored = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [row["what"] for row in stored["rows"]] == [row.what for row in table.rows]
    assert stored["context"]["versions"]["jax"] == importlib.metadata.version("jax")
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| ") for line in lines) == 2 + len(table.rows)


def test_ratio_is_of_medians_and_says_when_there_is_none() -> None:
    row = Row.of("fit", "peer", np.array([1.0, 2.0, 9.0]), np.array([4.0, 8.0, 9.0]))
    assert row.ratio == pytest.approx(4.0)
    assert row.ratio_quartiles == pytest.approx((2.5, 4.0))
    lost = Row.of("fit", "peer", np.array([1.0]), None)
    assert lost.ratio is None
    assert "not reached" in lost.cells()


def test_absent_peer_is_left_out_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "body_models.flame.jax", None)
    rows, left_out = bench_forward(made_flame(100), (1,), 1, lambda text: None)
    assert not rows
    assert "pip install body-models" in left_out[0]


def test_made_model_has_flames_layout() -> None:
    model = made_flame()
    assert has_full_layout(model)
    assert model.v_template.shape == (5_023, 3)
    assert model.faces.shape == (9_976, 3)
    # Nearly closed and facing outwards: the volume is that of the ball.
    assert trimesh.Trimesh(model.v_template, model.faces).volume == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.02)
    assert not has_full_layout(_egg())

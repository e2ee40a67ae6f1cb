"""`s2f bench mesh` compares like with like. Nothing here is about time."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from eval.bench.mesh import Deviation, MeasuredField, Size, bench_mesh, made_field
from fields.jitted_chunks import JittedChunks
from fields.mesh import Mesh
from s2f.cli import BAD_INPUT, main
from tests.data_made import sphere


def _ball(radius: jax.Array, points: jax.Array) -> jax.Array:
    return (points**2).sum(axis=-1) ** 0.5 - radius


def test_a_field_of_ones_own_is_measured() -> None:
    field = MeasuredField("a ball", JittedChunks(_ball).of(np.float32(30.0)), np.full(3, -40.0), np.full(3, 40.0))
    said: list[str] = []
    table = bench_mesh(field, Size((32, 128), 1, 2.0), said.append)
    assert table.title == "Meshing a ball"
    assert [row.what for row in table.rows] == ["32³", "128³"]
    assert all(row.ours_s and row.peer_s for row in table.rows)
    assert "of 35,937 evaluations (100.00 %)" in table.rows[0].note
    asked = int(table.rows[1].note.split(" of ")[0].replace(",", ""))
    assert 20_000 < asked < 0.08 * 129**3
    assert "differ by 0.0e+00 voxels" in table.rows[1].note
    assert any("128³" in text for text in said)


def test_surfaces_apart_are_seen() -> None:
    ball = sphere(10.0)
    apart = Deviation.of(ball, Mesh(ball.vertices + np.array([0.5, 0.0, 0.0]), ball.faces), 2.0)
    assert apart.largest == pytest.approx(0.25, abs=0.02)
    assert 0.05 < apart.mean < 0.2
    # What one surface has and the other lacks counts too.
    part = Mesh(ball.vertices, ball.faces[:-40])
    assert Deviation.of(part, ball, 1.0).largest > 0.1
    assert Deviation.of(ball, ball, 1.0).largest < 1e-5


def test_the_made_field_is_a_head_that_a_network_has_bent() -> None:
    field = made_field(sphere(80.0), 4.0)
    away = field.distances(sphere(80.0, subdivisions=4).vertices)
    assert 0.1 < away.std() < 2.0
    points = np.random.default_rng(0).uniform(field.low, field.high, (1000, 3))
    straight = np.linalg.norm(points, axis=1) - 80.0
    assert np.abs(field.distances(points) - straight).max() < 6.0


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mesh.json"
    assert main(["bench", "mesh", "--quick", "--made", "--out", str(out)]) == 0
    assert "64³" in capsys.readouterr().out
    (row,) = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert row["ratio"] > 0.0
    assert main(["bench", "mesh", "--quick", "--made", "--out", str(out)]) == BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err

"""`s2f bench flame`: how fast `flame_jax` is, as ratios against peers in one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from eval.bench.batch import bench_batch
from eval.bench.fit import bench_fit, made_scan
from eval.bench.forward import bench_forward
from eval.bench.made_flame import VERTICES, has_full_layout, made_flame
from eval.bench.table import BenchTable, machine
from flame_jax.flame import Flame
from flame_jax.model import HeadModel


@dataclasses.dataclass(frozen=True)
class BenchSize:
    """How much is measured."""

    made_vertices: int
    """Of the made model of the forward pass."""
    batches: tuple[int, ...]
    """Heads per forward pass."""
    forward_rounds: int
    """How often a batch's forward pass is timed."""
    points: int
    """Of a scan."""
    components: tuple[int, ...]
    """Identity components that are fitted; numbers beyond what a model has are left out."""
    evaluations: int
    """Where the search for the least cost ends."""
    fits: int
    """Single fits that are compared."""
    fit_rounds: int
    """How often they are timed."""
    scans: int
    """In a batch of fits."""
    batch_rounds: int
    """How often a batch of fits is timed."""


FULL = BenchSize(VERTICES, (1, 64), 11, 20_000, (60, 100), 20, 5, 3, 32, 2)
"""What is published."""
QUICK = BenchSize(500, (1, 8), 2, 2_000, (10,), 8, 2, 2, 4, 2)
"""To see whether it runs. Its numbers mean little."""


def bench_flame(
    head: HeadModel, given: HeadModel | None, size: BenchSize, say: Callable[[str], None] = lambda text: None
) -> BenchTable:
    """Measure the forward pass, the fit, and batches of fits.

    Args:
        head: Is fitted if no model is given; any head model with smooth components.
        given: A head model to measure instead: fitted, and evaluated too if it has all that FLAME has.
        size: How much to measure.
        say: Shows what is being done.
    """
    context = machine()
    full = given if given is not None and has_full_layout(given) else made_flame(size.made_vertices)
    fitted = head if given is None else given
    rows, left_out = bench_forward(full, size.batches, size.forward_rounds, say)
    model = fitted.in_millimetres()
    available = model.shapedirs.shape[2]
    components = [count for count in size.components if count <= available] or [available]
    beyond = [str(count) for count in size.components if count > available]
    if beyond:
        left_out.append(
            f"fit of {' and '.join(beyond)} components: left out, since {fitted.name!r} has {available}; "
            "give a larger one by --head-model"
        )
    for count in components:
        flame = Flame.of(model, identities=count)
        scans = [made_scan(flame, size.points, seed) for seed in range(size.fits)]
        rows += [
            bench_fit(flame, scans, direction, evaluations=size.evaluations, rounds=size.fit_rounds, say=say)
            for direction in ("head to scan", "scan to head")
        ]
    flame = Flame.of(model, identities=components[0])
    scans = [made_scan(flame, size.points, seed=1 + number) for number in range(size.scans)]
    rows += bench_batch(flame, scans, size.batch_rounds, say)
    models = {
        "model of the forward pass": _described(full),
        "model that is fitted": _described(fitted),
    }
    return BenchTable("flame_jax against its peers", tuple(rows), tuple(left_out), models | context)


def _described(model: HeadModel) -> str:
    name = f"{model.name} (random components in FLAME's layout)" if model.name == "made" else model.name
    return f"{name}, {len(model.v_template):,} vertices, {model.shapedirs.shape[2]} identity components"

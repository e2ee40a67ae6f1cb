"""The fitter against `scipy.optimize.least_squares`: time from one start to within 1 % of the best cost of either.

Both minimise the same residuals with the same analytic derivatives. Where each is after so many steps is found first,
and judged by one cost, that of the numpy residuals with exact nearest points. Then both are timed in turn up to the
step that gets there. What they make of the scan or the model beforehand, k-d trees and indices, counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from eval.bench.scipy_fit import REACH, ROBUST, SD_MM, Problem, RigidHead, head_to_scan, scan_to_head
from eval.bench.table import Row
from eval.bench.timing import compiled, in_turn
from flame_jax.fitting import Stage, fit
from flame_jax.flame import Flame
from flame_jax.nearest_points import nearest_index
from flame_jax.parameters import Parameters
from flame_jax.residuals import Prior
from flame_jax.scan import Scan
from flame_jax.scan_residuals import HeadToScan, ScanToHead

Direction = Literal["head to scan", "scan to head"]

FREE = ("betas", "global_orient", "transl")
"""What is fitted."""

SCIPY: dict[str, dict[str, Any]] = {
    "scipy lm": {"method": "lm", "x_scale": "jac"},
    "scipy trf exact, x_scale jac": {"method": "trf", "tr_solver": "exact", "x_scale": "jac"},
    "scipy trf exact, x_scale 1": {"method": "trf", "tr_solver": "exact", "x_scale": 1.0},
    "scipy trf lsmr, x_scale 1": {"method": "trf", "tr_solver": "lsmr", "x_scale": 1.0},
}
"""scipy's solvers for problems without bounds; the fastest on each problem is the peer. From zero, trf scaled by the
Jacobian begins with steps that are far too small, so that it is tried in the parameters' own units too."""

_WITHIN = 1.01
"""The cost to reach, relative to the best found by any."""

_NOISE_MM, _TURN_DEGREES, _SHIFT_MM = 0.5, 3.0, 3.0


@dataclasses.dataclass(frozen=True)
class _There:
    """The step at which a solver has got there: how often residuals were computed, or steps tried."""

    steps: int | None
    """None if it never did."""
    best: float
    """The least cost on its way."""


def made_scan(flame: Flame, count: int, seed: int) -> Scan:
    """Points of a head with a random identity, turned by 3 degrees and moved by 3 mm, with noise of 0.5 mm."""
    rng = np.random.default_rng(seed)
    axis, shift = rng.normal(size=(2, 3))
    turn = np.radians(_TURN_DEGREES) * axis / np.linalg.norm(axis)
    x = np.concatenate([rng.normal(size=flame.shapedirs.shape[0]), turn, _SHIFT_MM * shift / np.linalg.norm(shift)])
    clean = Scan.of(RigidHead.of(flame).at(x).vertices, faces=np.asarray(flame.faces), count=count, seed=seed)
    noisy = np.asarray(clean.points) + _NOISE_MM * rng.normal(size=clean.points.shape)
    return Scan.of(noisy, np.asarray(clean.normals, np.float64), count=count)


def bench_fit(
    flame: Flame,
    scans: Sequence[Scan],
    direction: Direction,
    *,
    evaluations: int,
    rounds: int,
    say: Callable[[str], None],
) -> Row:
    """Time fits of identity, turn and place, each from the same start to within 1 % of the best cost found by any.

    Args:
        flame: The model in mm, its arrays on the host, all of its identity components in use.
        scans: The targets. What is compared is the time for all on which both get there.
        direction: Which residuals.
        evaluations: Where the search for the least cost ends, if a solver has not stopped by itself.
        rounds: How often each is timed.
        say: Shows what is being done.
    """
    what = f"{direction}, {flame.shapedirs.shape[0]} modes"
    head = RigidHead.of(flame)
    prepare = head_to_scan if direction == "head to scan" else scan_to_head
    say(f"fit, {what}: compiling")
    ours, compile_s = _our_fit(flame, scans[0], direction)
    start = np.zeros(flame.shapedirs.shape[0] + 6)
    found: dict[str, list[_There]] = {name: [] for name in ("ours", *SCIPY)}
    for number, scan in enumerate(scans):
        say(f"fit, {what}: scan {number + 1} of {len(scans)}")
        problem = prepare(head, scan)
        costs: dict[str, list[float]] = {"ours": []}
        for steps in range(evaluations + 1):
            result = ours(scan, steps)
            costs["ours"].append(problem.cost(_as_vector(result.parameters)))
            if result.iterations[0] < steps:
                break
        for name, options in SCIPY.items():
            costs[name] = [problem.cost(x) for x in _scipy_points(problem, start, evaluations, options)]
        for name, there in _reached(costs).items():
            found[name].append(there)
    say(f"fit, {what}: timing")

    def one(name: str, number: int) -> object:
        steps = found[name][number].steps
        assert steps is not None
        if name == "ours":
            return ours(scans[number], steps)
        # From the raw points on, as ours.
        return _scipy_points(prepare(head, scans[number]), start, steps, SCIPY[name])

    def common(name: str) -> list[int]:
        return [
            number
            for number in range(len(scans))
            if found["ours"][number].steps is not None and found[name][number].steps is not None
        ]

    # One round tells which of scipy's ways is the fastest of those that get there most often; it alone is timed on.
    most = max(len(common(name)) for name in SCIPY)
    tried = {
        name: float(in_turn({name: lambda name=name: [one(name, number) for number in common(name)]}, 1)[name][0])  # type: ignore[misc]
        for name in SCIPY
        if most and len(common(name)) == most
    }
    peer = min(tried, key=tried.__getitem__) if tried else None
    seconds: dict[str, Any] = {}
    if peer is not None:
        both = {name: lambda name=name: [one(name, number) for number in common(peer)] for name in ("ours", peer)}
        seconds = in_turn(both, rounds)
    ways = "; ".join(f"{name} {_ways(theres)}" for name, theres in found.items())
    return Row.of(
        what,
        peer or "scipy",
        seconds.get("ours"),
        seconds.get(peer or ""),
        compile_ours_s=compile_s,
        note=f"{most} of {len(scans)} fits to {len(scans[0].points):,} points, where both get there; steps: {ways}",
    )


def _our_fit(flame: Flame, scan: Scan, direction: Direction) -> tuple[Callable[[Scan, int], Any], float]:
    """The fit by scan and number of steps, from the raw points on, and the seconds that it took to compile."""
    on_device = jax.tree.map(jnp.asarray, flame)
    start = Parameters.neutral(flame)
    prior = Prior.of("betas", 1.0, width=flame.shapedirs.shape[0])

    def term(scan: Scan) -> HeadToScan | ScanToHead:
        if direction == "scan to head":
            return ScanToHead.of(flame, scan, sd=SD_MM, robust=ROBUST)
        indexed = dataclasses.replace(scan, index=nearest_index(np.asarray(scan.points)))
        return HeadToScan.of(flame, indexed, sd=SD_MM, robust=ROBUST, reach=REACH)

    def stage(steps: int) -> Stage:
        # As many steps as asked for: no tolerance on the cost.
        return Stage(FREE, max_iterations=steps, cost_tolerance=0.0)

    def whole(flame: Flame, term: Any, prior: Prior, start: Parameters, stage: Stage) -> Any:
        return fit(flame, (term, prior), start, (stage,))

    program, seconds = compiled(whole, on_device, term(scan), prior, start, stage(1))
    return lambda scan, steps: program(on_device, term(scan), prior, start, stage(steps)), seconds


class _EnoughEvaluations(Exception):
    """Ends scipy where it has got there."""


def _scipy_points(
    problem: Problem, start: Float[np.ndarray, " parameters"], evaluations: int, options: dict[str, Any]
) -> list[Float[np.ndarray, " parameters"]]:
    """Where scipy computes residuals, up to so many times."""
    points: list[np.ndarray] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        values = problem.residuals(x)
        if not points or not np.array_equal(x, points[-1]):
            points.append(x.copy())
        if len(points) >= evaluations:
            raise _EnoughEvaluations
        return values

    with contextlib.suppress(_EnoughEvaluations):
        least_squares(residuals, start, problem.jacobian, max_nfev=evaluations + 1, **options)
    return points


def _reached(costs: dict[str, list[float]]) -> dict[str, _There]:
    """By solver; `ours` is counted in steps from zero, scipy in evaluations from one."""
    limit = _WITHIN * min(min(values) for values in costs.values())
    found = {}
    for name, values in costs.items():
        there = next((number for number, cost in enumerate(values) if cost <= limit), None)
        first = 0 if name == "ours" else 1
        found[name] = _There(None if there is None else there + first, min(values))
    return found


def _ways(theres: Sequence[_There]) -> str:
    return ", ".join("never" if there.steps is None else str(there.steps) for there in theres)


def _as_vector(parameters: Parameters) -> np.ndarray:
    return np.concatenate([np.asarray(getattr(parameters, group), np.float64) for group in FREE])

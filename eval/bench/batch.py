"""Many scans in one batch against one after the other, with the same fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval.bench.fit import FREE
from eval.bench.scipy_fit import REACH, ROBUST, SD_MM
from eval.bench.table import Row
from eval.bench.timing import compiled, in_turn
from flame_jax.fitting import Fit, Stage, fit
from flame_jax.flame import Flame
from flame_jax.parameters import Parameters
from flame_jax.residuals import Prior
from flame_jax.scan import Scan, stack_scans
from flame_jax.scan_residuals import HeadToScan


def bench_batch(flame: Flame, scans: Sequence[Scan], rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Time fits of identity, turn and place, from the head's vertices to the scans, with the fitter's own tolerances.

    Args:
        flame: The model in mm, its arrays on the host.
        scans: Of equally many points each.
        rounds: How often each way is timed.
        say: Shows what is being done.

    Returns:
        Two rows, of times per scan: `jax.vmap` and `jax.lax.map` against calls of the fit of a single scan.
    """
    count = len(scans)
    model = jax.tree.map(jnp.asarray, flame)
    start = Parameters.neutral(flame)
    prior = Prior.of("betas", 1.0, width=flame.shapedirs.shape[0])
    singles = [jax.tree.map(jnp.asarray, scan) for scan in scans]
    stacked = jax.tree.map(jnp.asarray, stack_scans(scans))

    def one(scan: Scan, model: Flame, prior: Prior, start: Parameters) -> Fit:
        term = HeadToScan.of(model, scan, sd=SD_MM, robust=ROBUST, reach=REACH)
        return fit(model, (term, prior), start, (Stage(FREE),))

    def batched(scans: Scan, *rest: Any) -> Fit:
        return jax.vmap(lambda scan: one(scan, *rest))(scans)

    def mapped(scans: Scan, *rest: Any) -> Fit:
        return jax.lax.map(lambda scan: one(scan, *rest), scans)

    rest = (model, prior, start)
    say(f"{count} scans: compiling")
    single, compile_single = compiled(one, singles[0], *rest)
    ways = {"jax.vmap": compiled(batched, stacked, *rest), "jax.lax.map": compiled(mapped, stacked, *rest)}
    say(f"{count} scans: timing")
    # All singles are handed over before any is waited for, as a careful user would.
    programs: dict[str, Callable[[], object]] = {"one by one": lambda: [single(scan, *rest) for scan in singles]}
    programs |= {name: functools.partial(program, stacked, *rest) for name, (program, _) in ways.items()}
    seconds = {name: values / count for name, values in in_turn(programs, rounds).items()}
    iterations = np.array([int(single(scan, *rest).iterations[0]) for scan in singles])
    note = (
        f"time per scan of {len(scans[0].points):,} points; a fit takes {iterations.mean():.1f} steps on average and "
        f"{iterations.max()} at most"
    )
    return [
        Row.of(
            f"{count} scans, {name}",
            "one by one",
            seconds[name],
            seconds["one by one"],
            compile_ours_s=compile_s,
            compile_peer_s=compile_single,
            note=note,
        )
        for name, (_, compile_s) in ways.items()
    ]

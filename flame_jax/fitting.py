"""Fit a head model to whatever is known of a head: one function, any terms, in stages.

    flame = Flame.of(read_head_model("flame2023.pkl").in_millimetres())
    scan = Scan.of(points)
    terms = [ScanToHead.of(flame, scan, sd=1.0), Prior.of("betas", 1.0, width=300)]
    result = fit(flame, terms, Parameters.neutral(flame), stages(flame))

Levenberg-Marquardt on the sum of all terms, with the analytic derivatives of `flame_jax.linearised`, compiled as one
program: no step returns to the host. Under `jax.vmap` it fits a batch of heads.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from flame_jax.errors import InputError
from flame_jax.flame import Flame
from flame_jax.least_squares import NormalEquations, Outcome, Solution, covariance_of, minimise, normal_equations
from flame_jax.linearised import Linearised
from flame_jax.parameters import GROUPS, Layout, Parameters, available_groups
from flame_jax.residuals import Term


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stage:
    """One solve, from where the stage before it ended."""

    free: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    """Groups of parameters to find; the others stay."""
    loosening: float | jax.Array = 1.0
    """Factor on the scale of robust kernels, and on how far matches may lie aside: larger while the start is rough."""
    max_iterations: int | jax.Array = 30
    """Steps to try at most."""
    cost_tolerance: float | jax.Array = 1e-4
    """Converged when a step gains less than this part of the cost. Closest points change from step to step, so digits
    beyond this are seldom worth their steps."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Fit:
    """What a fit found; under `vmap` every field has the batch dimensions in front."""

    parameters: Parameters
    """The head."""
    code: Int[jax.Array, "*batch"]
    """An `Outcome`: that of the last stage, or `NOT_FINITE` if any stage ended so."""
    cost: Float[jax.Array, "*batch"]
    """Half the sum of squared residuals."""
    iterations: Int[jax.Array, "*batch stages"]
    """Steps tried in each stage."""
    covariance: Float[jax.Array, "*batch free free"]
    """Of the parameters free in the last stage, in the order of `GROUPS`, if residuals are independent and in units of
    their standard deviations. Scan points' errors are not independent, so it is then too small: a lower bound."""
    free: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    """Groups free in the last stage."""

    def sd(self, group: str) -> Float[jax.Array, "*batch width"]:
        """Standard deviations of a group of parameters, from the covariance.

        Raises:
            KeyError: The group was not free in the last stage.
        """
        part = Layout.of(self.parameters, self.free).slices[group]
        return jnp.sqrt(jnp.diagonal(self.covariance, axis1=-2, axis2=-1)[..., part])


def stages(flame: Flame, *, scaled: bool = False, expression: bool = True, pose: bool = True) -> tuple[Stage, ...]:
    """The usual ones: place the head, then its identity too, then everything that the model has.

    Args:
        flame: The model.
        scaled: Whether the target's size is unknown.
        expression: Whether the face may have an expression.
        pose: Whether jaw, neck and eyes may be turned.
    """
    place: tuple[str, ...] = ("global_orient", "transl", *(["log_scale"] if scaled else []))
    left_out = set() if expression else {"expression"}
    left_out |= set() if pose else {"neck_pose", "jaw_pose", "leye_pose", "reye_pose"}
    left_out |= set() if scaled else {"log_scale"}
    every = tuple(group for group in available_groups(flame) if group not in left_out)
    return (
        Stage(place, loosening=4.0, max_iterations=20, cost_tolerance=1e-3),
        Stage(("betas", *place), loosening=2.0, max_iterations=20, cost_tolerance=1e-3),
        Stage(every),
    )


def fit(flame: Flame, terms: Sequence[Term], start: Parameters, stages: Sequence[Stage]) -> Fit:
    """Fit a head model to targets; compiled once per kinds and shapes of the arguments.

    Args:
        flame: The model; also some of its vertices only, if no term needs others.
        terms: What the head should agree with; priors as well, without which a group of parameters is free of cost.
        start: Where to begin, for example `Parameters.neutral(flame).placed(...)`.
        stages: One solve after the other.

    Returns:
        The parameters, and how well they are known. A failed fit raises nothing, it says so in `code`.

    Raises:
        InputError: No stages or terms, or a stage frees a group that the model does not have.
    """
    if not stages or not terms:
        raise InputError("a fit needs at least one stage and one term")
    for stage in stages:
        for group in stage.free:
            if group not in available_groups(flame):
                known = "no group of parameters" if group not in GROUPS else "nothing that the model has"
                raise InputError(f"head model {flame.name!r}: {group} is {known}, so it cannot be fitted")
    return _fit(flame, tuple(terms), start, tuple(stages))


@jax.jit
def _fit(flame: Flame, terms: tuple[Term, ...], start: Parameters, stages: tuple[Stage, ...]) -> Fit:
    # One program for all stages, or compiling would take as many times as long: what a stage does not free is masked.
    layout = Layout.of(start, tuple({group: None for stage in stages for group in stage.free}))
    x = layout.vector(start)
    settings = _Settings(
        jnp.stack([layout.mask(stage.free) for stage in stages]).astype(x.dtype),
        jnp.stack([jnp.asarray(stage.loosening, x.dtype) for stage in stages]),
        jnp.stack([jnp.asarray(stage.max_iterations) for stage in stages]),
        jnp.stack([jnp.asarray(stage.cost_tolerance, x.dtype) for stage in stages]),
    )

    def solve(x: jax.Array, stage: _Settings) -> tuple[jax.Array, Solution]:
        solution = minimise(
            functools.partial(_equations, flame, terms, layout, start, stage),
            x,
            max_iterations=stage.max_iterations,
            cost_tolerance=stage.cost_tolerance,
        )
        return solution.x, solution

    x, solutions = jax.lax.scan(solve, x, settings)
    last = jax.tree.map(lambda leaf: leaf[-1], solutions)
    free = np.flatnonzero(layout.mask(stages[-1].free))
    failed = (solutions.code == Outcome.NOT_FINITE).any()
    return Fit(
        parameters=layout.parameters(x, start),
        code=jnp.where(failed, jnp.int32(Outcome.NOT_FINITE), last.code),
        cost=last.cost,
        iterations=solutions.iterations,
        covariance=covariance_of(last.hessian[free[:, None], free[None, :]]),
        free=tuple(group for group in layout.slices if group in stages[-1].free),
    )


class _Settings(NamedTuple):
    """Stages as arrays."""

    free: jax.Array
    loosening: jax.Array
    max_iterations: jax.Array
    cost_tolerance: jax.Array


def _equations(
    flame: Flame, terms: tuple[Term, ...], layout: Layout, fixed: Parameters, stage: _Settings, x: jax.Array
) -> NormalEquations:
    head = Linearised.at(flame, layout, x, fixed)
    parts = [normal_equations(*rows.linearised(head)) for term in terms for rows in term.rows(head, stage.loosening)]
    # A parameter without derivatives stays where it is.
    return NormalEquations(
        functools.reduce(jnp.add, [part.cost for part in parts]),
        functools.reduce(jnp.add, [part.gradient for part in parts]) * stage.free,
        functools.reduce(jnp.add, [part.hessian for part in parts]) * (stage.free[:, None] * stage.free[None, :]),
    )

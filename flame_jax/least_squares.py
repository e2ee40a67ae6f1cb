"""Levenberg-Marquardt for dense nonlinear least squares, wholly inside XLA: tens to hundreds of parameters.

Minimises |r(x)|^2 / 2. A step h solves (J^T J + mu D) h = -J^T r with Moré's scaling: D is the largest diagonal of
J^T J met so far, so that the units of the parameters do not matter. The damping mu follows the gain ratio (actual over
predicted decrease) by Nielsen's rule.

    Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", J. SIAM 11(2), 1963.
    Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical Analysis, Springer, 1978.
    Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05, DTU, 1999.
    Madsen, Nielsen, Tingleff, "Methods for non-linear least squares problems", 2nd ed., IMM, DTU, 2004, algorithm 3.16.

Weights and priors are folded into the residuals by the caller; robust kernels by `flame_jax.robust`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

_FIRST_DAMPING = 1e-3
"""Madsen et al. suggest 1e-3 for a start of fair quality; relative to D."""

_RUNNING = -1


class Outcome(enum.IntEnum):
    """How a solve ended."""

    CONVERGED = 0
    """A test on gradient, step or cost was met."""
    MAX_ITERATIONS = 1
    """Stopped on the way; `x` is the best found."""
    STALLED = 2
    """No downhill step was found although the gradient is not zero: the Jacobian is wrong, or the residual is noisy."""
    NOT_FINITE = 3
    """Residual or Jacobian is not finite at `x`."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Solution:
    """Result of a solve; under `vmap` every field has the batch dimensions in front."""

    x: Float[jax.Array, "*batch parameters"]
    """Parameters of least cost found."""
    cost: Float[jax.Array, "*batch"]
    """Half the sum of squared residuals at `x`."""
    code: Int[jax.Array, "*batch"]
    """An `Outcome`."""
    iterations: Int[jax.Array, "*batch"]
    """Steps tried."""
    hessian: Float[jax.Array, "*batch parameters parameters"]
    """J^T J at `x`."""
    covariance: Float[jax.Array, "*batch parameters parameters"] | None = None
    """What `covariance_of` makes of the hessian; None if not asked."""


class NormalEquations(NamedTuple):
    """A sum of squares at a point, as a Gauss-Newton step needs it; equations of several terms add up."""

    cost: Float[jax.Array, "*batch"]
    """Half the sum of squared residuals, |r|^2 / 2."""
    gradient: Float[jax.Array, "*batch parameters"]
    """J^T r."""
    hessian: Float[jax.Array, "*batch parameters parameters"]
    """J^T J."""


class _Proposal(NamedTuple):
    """A step that has not been tried yet."""

    x: jax.Array
    predicted: jax.Array
    small: jax.Array


class _State(NamedTuple):
    x: jax.Array
    at: NormalEquations
    proposal: _Proposal
    scaling: jax.Array
    damping: jax.Array
    growth: jax.Array
    iterations: jax.Array
    code: jax.Array
    negligible: jax.Array


class _Tolerances(NamedTuple):
    gradient: jax.Array
    step: jax.Array
    cost: jax.Array


def normal_equations(
    residual: Float[jax.Array, " residuals"], jacobian: Float[jax.Array, "residuals parameters"]
) -> NormalEquations:
    """The normal equations of a vector of residuals and its derivatives."""
    return NormalEquations(
        0.5 * _product(residual, residual), _product(jacobian.T, residual), _product(jacobian.T, jacobian)
    )


@functools.partial(jax.jit, static_argnames=("residual_fn", "jacobian_fn", "with_covariance"))
def levenberg_marquardt(
    residual_fn: Callable[..., jax.Array],
    x0: Float[jax.Array | np.ndarray, " parameters"],
    args: tuple[Any, ...] = (),
    *,
    jacobian_fn: Callable[..., jax.Array] | None = None,
    max_iterations: int | jax.Array = 50,
    gradient_tolerance: float | jax.Array | None = None,
    step_tolerance: float | jax.Array | None = None,
    cost_tolerance: float | jax.Array | None = None,
    with_covariance: bool = False,
) -> Solution:
    """Minimise |residual_fn(x, *args)|^2 / 2 from `x0`. Compiled once per function and shapes; works under `vmap`.

    Args:
        residual_fn: Vector of residuals at a parameter vector. Give data by `args`, not by a closure: a new closure is
            compiled anew.
        x0: Start; its precision is that of the solve.
        args: Further arguments of `residual_fn` and `jacobian_fn`, any pytrees.
        jacobian_fn: Derivatives, residuals by parameters; `jax.jacfwd` of `residual_fn` by default.
        max_iterations: Steps to try at most.
        gradient_tolerance: Converged when the cosine between the residuals and each column of J is below; by default
            the machine precision to the power of 2/3.
        step_tolerance: Converged when a lightly damped step is this small relative to x, both scaled; same default.
        cost_tolerance: Converged when actual and predicted decrease are below this part of the cost; by default ten
            times the machine precision. Residuals at the rounding errors of those at `x0` have converged as well.
        with_covariance: Whether to compute the covariance.

    Returns:
        The best parameters, with an `Outcome` that says how good they are. Nothing is raised for a failed solve.
    """

    def equations(x: jax.Array) -> NormalEquations:
        def residual_at(x: jax.Array) -> jax.Array:
            return jnp.ravel(residual_fn(x, *args)).astype(x.dtype)

        jacobian = jax.jacfwd(residual_at)(x) if jacobian_fn is None else jacobian_fn(x, *args)
        return normal_equations(residual_at(x), jacobian.reshape(-1, x.size).astype(x.dtype))

    solution = minimise(
        equations,
        x0,
        max_iterations=max_iterations,
        gradient_tolerance=gradient_tolerance,
        step_tolerance=step_tolerance,
        cost_tolerance=cost_tolerance,
    )
    return dataclasses.replace(solution, covariance=covariance_of(solution.hessian)) if with_covariance else solution


def minimise(
    equations: Callable[[jax.Array], NormalEquations],
    x0: Float[jax.Array | np.ndarray, " parameters"],
    *,
    max_iterations: int | jax.Array = 50,
    gradient_tolerance: float | jax.Array | None = None,
    step_tolerance: float | jax.Array | None = None,
    cost_tolerance: float | jax.Array | None = None,
) -> Solution:
    """`levenberg_marquardt` for a caller that has the normal equations at a parameter vector; to be called under `jit`.

    Whoever has many residuals of few kinds need never hold all of their derivatives at once, nor search for closest
    points once for the residuals and again for the derivatives.
    """
    start = jnp.asarray(x0)
    start = start.astype(jnp.promote_types(start.dtype, jnp.float32))
    precision = float(jnp.finfo(start.dtype).eps)

    def tolerance(given: float | jax.Array | None, default: float) -> jax.Array:
        return jnp.asarray(default if given is None else given, start.dtype)

    tolerances = _Tolerances(
        tolerance(gradient_tolerance, precision ** (2 / 3)),
        tolerance(step_tolerance, precision ** (2 / 3)),
        tolerance(cost_tolerance, 10 * precision),
    )
    final = jax.lax.while_loop(
        lambda state: (state.code == _RUNNING) & (state.iterations < max_iterations),
        lambda state: _iterate(state, equations, tolerances),
        _first_state(start),
    )
    code = jnp.where(final.code == _RUNNING, jnp.int32(Outcome.MAX_ITERATIONS), final.code)
    return Solution(final.x, final.at.cost, code, final.iterations, final.at.hessian)


def _first_state(x: jax.Array) -> _State:
    # Nothing is known yet, not even at the start: that is the first proposal, so that the equations are compiled once.
    one, zero = jnp.ones((), x.dtype), jnp.zeros((), jnp.int32)
    nothing = NormalEquations(jnp.inf * one, jnp.zeros_like(x), jnp.zeros((x.size, x.size), x.dtype))
    proposal = _Proposal(x, one, jnp.asarray(False))
    code = zero + _RUNNING
    return _State(x, nothing, proposal, jnp.zeros_like(x), _FIRST_DAMPING * one, 2 * one, zero - 1, code, 0 * one)


def _iterate(state: _State, equations: Callable[[jax.Array], NormalEquations], tolerances: _Tolerances) -> _State:
    """Try the proposed step, then propose the next one."""
    there = equations(state.proposal.x)
    first = state.iterations < 0
    predicted = state.proposal.predicted
    actual = state.at.cost - there.cost
    # A failed factorisation or residual gives numbers that are not finite: a rejected step, as in any other case.
    usable = ~first & jnp.isfinite(there.cost) & jnp.isfinite(predicted) & (predicted > 0)
    downhill = usable & (actual > 0)
    accepted = first | downhill
    gain = jnp.where(downhill, actual / jnp.where(usable, predicted, 1), 0)

    # Nielsen (1999), equation 2.21; rejections in a row raise the damping ever faster.
    precision = jnp.finfo(predicted.dtype).eps
    eased = jnp.maximum(state.damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3), precision)
    damping = jnp.where(first, state.damping, jnp.where(downhill, eased, state.damping * state.growth))
    growth = jnp.where(accepted, jnp.full_like(state.growth, 2), state.growth * 2)

    x = jnp.where(accepted, state.proposal.x, state.x)
    at = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), there, state.at)
    scaling = jnp.maximum(state.scaling, jnp.diagonal(at.hessian))
    # Residuals that fall to rounding errors of the first ones are zero: there is nothing left to decrease.
    nothing = jnp.maximum(there.cost * precision**2, jnp.finfo(predicted.dtype).tiny)
    negligible = jnp.where(first, nothing, state.negligible)

    threshold = tolerances.cost * state.at.cost
    small_gain = usable & (jnp.abs(actual) <= threshold) & (predicted <= threshold)
    # A step is also small when it is damped to nothing, which is no sign of a minimum.
    free = state.damping <= 1
    done = small_gain | (state.proposal.small & free)
    hopeless = ~accepted & ((state.proposal.small & ~free) | ~jnp.isfinite(damping))
    code = _code_at(at, negligible, tolerances)
    code = jnp.where((code == _RUNNING) & done, jnp.int32(Outcome.CONVERGED), code)
    code = jnp.where((code == _RUNNING) & hopeless, jnp.int32(Outcome.STALLED), code)
    proposal = _propose(x, at, scaling, damping, tolerances)
    return _State(x, at, proposal, scaling, damping, growth, state.iterations + 1, code, negligible)


def _propose(
    x: jax.Array, at: NormalEquations, scaling: jax.Array, damping: jax.Array, tolerances: _Tolerances
) -> _Proposal:
    # All in scaled parameters, where D is the identity; a parameter without effect keeps its scale.
    scale = jnp.sqrt(jnp.where(scaling > 0, scaling, jnp.ones_like(scaling)))
    gradient = at.gradient / scale
    normal = at.hessian / (scale[:, None] * scale[None, :]) + damping * jnp.eye(scale.size, dtype=scale.dtype)
    step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(normal), gradient)
    predicted = 0.5 * _product(step, damping * step - gradient)
    small = jnp.linalg.norm(step) <= tolerances.step * jnp.linalg.norm(scale * x)
    return _Proposal(x + step / scale, predicted, small)


def _code_at(at: NormalEquations, negligible: jax.Array, tolerances: _Tolerances) -> jax.Array:
    columns = jnp.sqrt(jnp.diagonal(at.hessian))
    flat = jnp.all(jnp.abs(at.gradient) <= tolerances.gradient * columns * jnp.sqrt(2 * at.cost))
    converged = flat | (at.cost <= negligible)
    finite = jnp.isfinite(at.cost) & jnp.all(jnp.isfinite(at.hessian))
    code = jnp.where(converged, jnp.int32(Outcome.CONVERGED), jnp.int32(_RUNNING))
    return jnp.where(finite, code, jnp.int32(Outcome.NOT_FINITE))


def covariance_of(hessian: Float[jax.Array, "parameters parameters"]) -> Float[jax.Array, "parameters parameters"]:
    """(J^T J)^-1, the covariance of the estimate if each residual is in units of its standard deviation.

    A direction that the residuals do not determine has a variance of the inverse machine precision.
    """
    columns = jnp.sqrt(jnp.diagonal(hessian))
    scale = jnp.where(columns > 0, columns, jnp.ones_like(columns))
    values, vectors = jnp.linalg.eigh(hessian / (scale[:, None] * scale[None, :]))
    # Directions that the residuals leave open get a huge variance, never a zero one as by a pseudo-inverse.
    values = jnp.maximum(values, jnp.finfo(values.dtype).eps)
    return _product(vectors / values[None, :], vectors.T) / (scale[:, None] * scale[None, :])


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    # Accelerators multiply in fewer bits by default, too few for normal equations.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

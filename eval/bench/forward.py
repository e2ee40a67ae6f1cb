"""The forward pass and its gradient against `body-models`, another FLAME in JAX, on one file in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval.bench.made_flame import write_under_flames_names
from eval.bench.table import Row
from eval.bench.timing import compiled, in_turn
from flame_jax.flame import JOINTS, Flame
from flame_jax.model import HeadModel

PEER = "body-models"
"""The peer's name, which is that of its package."""

_AGREEMENT = 1e-4
"""How far apart the vertices may be, relative to the head's size: that both compute the same."""

Heads = dict[str, jax.Array]


def bench_forward(
    model: HeadModel, batches: Sequence[int], rounds: int, say: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    """Time vertices, and the gradient of a sum of squares of them by all parameters.

    Args:
        model: Of FLAME's full layout.
        batches: Heads per call.
        rounds: How often each is timed for the largest batch; ten times as often for a single head.
        say: Shows what is being done.

    Returns:
        Rows, and a line about what was left out.

    Raises:
        ValueError: The two programs do not agree, so that there is nothing to compare.
    """
    try:
        from body_models.flame.jax import FLAME
    except ImportError:
        return [], [f"forward pass: left out, since the peer is not installed; to have it: pip install {PEER}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flame.npz"
        write_under_flames_names(path, model)
        other = FLAME(model_path=path)
    flame = jax.tree.map(jnp.asarray, Flame.of(model))
    rows = []
    for batch in batches:
        say(f"forward pass, batch {batch}")
        heads = _heads(model, batch)
        wanted = jnp.asarray(flame.v_template).T[None] * jnp.ones((batch, 1, 1), jnp.float32)
        rows += _rows(flame, other, heads, wanted, rounds if batch > 1 else 10 * rounds)
    return rows, []


def _rows(flame: Flame, other: Any, heads: Heads, wanted: jax.Array, rounds: int) -> list[Row]:
    def our_misfit(heads: Heads, flame: Flame, wanted: jax.Array) -> jax.Array:
        return jnp.sum((_ours(heads, flame) - wanted) ** 2)

    # The peer's arrays are constants of its program: five times as fast at batch 1 as when they are its arguments.
    def their_vertices(heads: Heads) -> jax.Array:
        return _theirs(heads, other)

    def their_misfit(heads: Heads, wanted: jax.Array) -> jax.Array:
        return jnp.sum((_theirs(heads, other) - wanted) ** 2)

    ours, compile_ours = compiled(_ours, heads, flame)
    theirs, compile_theirs = compiled(their_vertices, heads)
    apart = float(jnp.abs(ours(heads, flame) - theirs(heads)).max())
    if not apart < _AGREEMENT * float(jnp.ptp(flame.v_template)):
        raise ValueError(f"{PEER} and flame_jax differ by {apart:.3g} in the model's unit")
    our_gradient, compile_our_gradient = compiled(jax.grad(our_misfit), heads, flame, wanted)
    their_gradient, compile_their_gradient = compiled(jax.grad(their_misfit), heads, wanted)
    batch = len(wanted)
    forward = in_turn({"ours": lambda: ours(heads, flame), "theirs": lambda: theirs(heads)}, rounds)
    gradient = in_turn(
        {"ours": lambda: our_gradient(heads, flame, wanted), "theirs": lambda: their_gradient(heads, wanted)}, rounds
    )
    return [
        Row.of(
            f"forward, batch {batch}",
            PEER,
            forward["ours"],
            forward["theirs"],
            compile_ours_s=compile_ours,
            compile_peer_s=compile_theirs,
        ),
        Row.of(
            f"gradient, batch {batch}",
            PEER,
            gradient["ours"],
            gradient["theirs"],
            compile_ours_s=compile_our_gradient,
            compile_peer_s=compile_their_gradient,
            note="of a sum of squares of the vertices, by all parameters",
        ),
    ]


def _heads(model: HeadModel, batch: int) -> Heads:
    rng = np.random.default_rng(batch)
    assert model.exprdirs is not None
    widths = dict.fromkeys(("transl", *JOINTS), 3)
    widths |= {"betas": model.shapedirs.shape[2], "expression": model.exprdirs.shape[2]}
    return {name: jnp.asarray(0.3 * rng.standard_normal((batch, width), np.float32)) for name, width in widths.items()}


def _ours(heads: Heads, flame: Flame) -> jax.Array:
    pose = {name: value for name, value in heads.items() if name != "betas"}
    return flame.shaped(heads["betas"]).posed(**pose).vertices  # type: ignore[arg-type]


def _theirs(heads: Heads, other: Any) -> jax.Array:
    return other.forward_vertices(
        head_pose=jnp.stack([heads[name] for name in JOINTS[1:]], axis=-2),
        head_rotation=heads["global_orient"],
        shape=heads["betas"],
        expression=heads["expression"],
        global_translation=heads["transl"],
    )

"""Heads with signed distances about them, made once; skulls for them are drawn afresh at every step.

What a head is does not depend on the skull that is laid into it, so its signed distances, which take longest, are
asked for once. They are kept where the head model puts the head; a person's rigid pose comes with the skull.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.cohort.anatomy import Anatomy
from data.cohort.case import case_key
from data.cohort.harm import draw_opening
from data.cohort.queries import QueryPlaces, draw_queries
from data.cohort.severities import Severities
from data.jaw_opening import JawOpening
from data.pairs.content import prior_digest
from data.prior import AnatomyPrior
from data.residual_modes import FADE_MM, LEFT_RIGHT, LENGTH_MM, SD_MM
from fields.mesh_distance import closest
from flame_jax.kept_arrays import keep_arrays, read_kept
from flame_jax.model import Array

FORMAT = "s2f heads 1"
_BATCH = 64
"""Heads in one program."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Heads:
    """Heads of a generator, mm, where its head model puts them. A pytree."""

    betas: Float[Array, "*heads identities"]
    opening: Float[Array, "*heads"]
    """Of the jaw, 0 (shut) to 1."""
    queries: Float[Array, "*heads queries 3"]
    distances: Float[Array, "*heads queries"]
    """Negative inside."""
    gradients: Float[Array, "*heads queries 3"]
    """Of the distances, in half precision: unit vectors away from the nearest surface, or out of it."""

    def __len__(self) -> int:
        return len(self.betas)


def make_heads(
    anatomy: Anatomy,
    places: QueryPlaces,
    count: int,
    queries: int,
    *,
    seed: int,
    done: Callable[[int], None] = lambda count: None,
) -> Heads:
    """Draw heads, each given by the seed and its number alone, with `queries` signed distances each.

    One in five opens its mouth, as in `data.cohort.harm.draw_opening`. `done` is told how many there are after each
    batch.
    """
    batches = []
    for start in range(0, count, _BATCH):
        keys = jnp.stack([case_key(seed, number) for number in range(start, start + _BATCH)])
        batches.append(jax.tree.map(np.asarray, _draw(anatomy, places, keys, queries)))
        done(min(start + _BATCH, count))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *batches)


@functools.partial(jax.jit, static_argnames=("queries",))
def _draw(anatomy: Anatomy, places: QueryPlaces, keys: jax.Array, queries: int) -> Heads:
    def one(key: jax.Array) -> Heads:
        of_betas, of_opening, of_queries = jax.random.split(key, 3)
        betas = jax.random.normal(of_betas, (anatomy.head_modes.shape[2],))
        opening = draw_opening(of_opening, Severities.all(1.0))
        with jax.default_matmul_precision("highest"):
            vertices = anatomy.head + anatomy.head_modes @ betas + opening * anatomy.jaw.skin
        points = draw_queries(of_queries, places, vertices, queries)
        # In random order, so that any run of them is a fair sample.
        points = jax.random.permutation(jax.random.fold_in(of_queries, 1), points)
        near = closest(anatomy.head_index, vertices, points)
        return Heads(betas, opening, points, near.distance, near.normals.astype(jnp.float16))

    return jax.lax.map(one, keys)


def heads_digest(prior: AnatomyPrior, residual_modes: int, jaw: JawOpening, count: int, queries: int, seed: int) -> str:
    """Of everything that the heads depend on: of what modes are computed from, since they are not computed to the last
    bit on every machine."""
    settings = (FORMAT, residual_modes, LENGTH_MM, SD_MM, LEFT_RIGHT, FADE_MM, count, queries, seed)
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(prior_digest(prior).encode())
    digest.update(np.ascontiguousarray(jaw.skin, "<f4").tobytes())
    return digest.hexdigest()


def write_heads(path: Path, heads: Heads, digest: str) -> None:
    """Keep the heads in a file, which appears whole or not at all."""
    arrays = {field.name: np.asarray(getattr(heads, field.name)) for field in dataclasses.fields(heads)}
    keep_arrays(path, arrays, about=_mark(digest))


def read_heads(path: Path, digest: str) -> Heads | None:
    """The heads in a file, or None where there is no file or it holds others.

    Raises `InputError` when the file cannot be read.
    """
    arrays = read_kept(path, [field.name for field in dataclasses.fields(Heads)], about=_mark(digest))
    return None if arrays is None else Heads(**arrays)


def _mark(digest: str) -> str:
    return f"{FORMAT} {digest}"

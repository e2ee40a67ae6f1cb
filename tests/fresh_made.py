"""Cached heads of the training generator, and fresh skulls for them."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from data.cohort.fresh import FreshSkulls, draw_fresh
from data.cohort.given_head import LawGivenHead, law_given_head
from data.cohort.head_cache import Heads, make_heads
from data.cohort.pose_errors import PoseErrors
from data.cohort.stream import Sample
from fields.mesh import Mesh
from tests.cohort_made import train_generator, train_stream
from tests.skulls_made import shipped_prior

HEADS, PER_HEAD, HEADS_SEED = 12, 256, 3
SKULL_POINTS, QUERIES = 1_024, 96

_draw = jax.jit(draw_fresh, static_argnames=("skull_points", "queries"))


@functools.cache
def some_heads(count: int = HEADS, seed: int = HEADS_SEED) -> Heads:
    """Drawn from the shipped prior."""
    return make_heads(train_generator().anatomy, train_stream().places, count, PER_HEAD, seed=seed)


@functools.cache
def given() -> LawGivenHead:
    return law_given_head(train_generator().anatomy)


def drawn(seed: int, undamaged: float = 1.0, pose_errors: PoseErrors | None = None) -> tuple[Sample, np.ndarray]:
    """A sample and the gradients of its distances; by default the aligner always makes the same error."""
    generator = train_generator()
    if pose_errors is not None:
        generator = dataclasses.replace(generator, pose_errors=pose_errors)
    fresh = FreshSkulls(generator, given(), some_heads(), jnp.asarray(undamaged, jnp.float32))
    sample, gradients = _draw(jax.random.key(seed), fresh, skull_points=SKULL_POINTS, queries=QUERIES)
    return jax.tree.map(np.asarray, sample), np.asarray(gradients)


def head_of(betas: np.ndarray, opening: float) -> Mesh:
    """Where the head model puts a head."""
    anatomy = train_generator().anatomy
    vertices = np.asarray(anatomy.head, np.float64) + np.asarray(anatomy.head_modes, np.float64) @ betas
    return Mesh(vertices + opening * np.asarray(anatomy.jaw.skin, np.float64), shipped_prior().head.faces)

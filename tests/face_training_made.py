"""The debug experiment's task, with its cohort: made once for all tests, which takes most of a minute."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax

from configs.faces import DEBUG
from fields.face_field import FaceField
from train.face_batches import FaceBatch, draw_faces
from train.face_experiment import FaceExperiment
from train.face_task import FaceTask
from train.make_face_task import make_face_task

_FOLDER = tempfile.TemporaryDirectory(prefix="s2f-heads-")
CACHE = Path(_FOLDER.name)
"""Where heads are kept while the tests run."""
BATCH = 4


@contextlib.contextmanager
def polished() -> Iterator[None]:
    """With XLA's optimisations, which `tests/train/conftest.py` turns off: without, distances take minutes."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@functools.cache
def debug_experiment() -> FaceExperiment:
    """With its heads in a folder of the tests."""
    return dataclasses.replace(DEBUG, data=dataclasses.replace(DEBUG.data, cache=CACHE))


@functools.cache
def debug_task() -> FaceTask:
    """Of that experiment; validation leaves nothing."""
    experiment = debug_experiment()
    with polished():
        return make_face_task(experiment.field, experiment.data, experiment.loss)


def drawn(seed: int, told: float) -> FaceBatch:
    """As the task draws batches, with another share of told fullness. One program for all."""
    constants, data = debug_task().constants, debug_task().data
    sizes = {"skull_points": data.skull_points, "queries": data.queries}
    key, anchors = jax.random.key(seed), constants.prior.anchors
    with polished():
        return _draw(key, constants.fresh, anchors, BATCH, fullness_known=told, **sizes)


_draw = jax.jit(draw_faces, static_argnames=("size", "skull_points", "queries"))


@functools.cache
def debug_batch() -> FaceBatch:
    """Some skulls, some of whose fullness is told."""
    return drawn(5, debug_task().data.fullness_known)


@functools.cache
def untrained() -> FaceField:
    """The task's model before the first step."""
    return debug_task().make_model(0)

"""Makes the task of training a face field: prior, generator, cached heads, first estimate, validation skulls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data.cohort.case import Generator
from data.cohort.fresh import LANDMARK_SD, TABLE_SD, FreshSkulls
from data.cohort.generator import make_generator, make_stream
from data.cohort.given_head import law_given_head
from data.cohort.head_cache import Heads, heads_digest, make_heads, read_heads, write_heads
from data.cohort.pose_errors import read_pose_errors
from data.cohort.variants import TRAIN
from data.face_prior import make_anchors, make_face_prior
from data.face_region import face_triangles
from data.jaw_opening import read_jaw_opening
from data.pairs.content import file_digest
from data.prior import AnatomyPrior, read_prior
from data.residual_modes import with_residual_modes
from data.shipped import JAW_OPEN, POSE_ERRORS, PRIOR
from fields.anchor_pooling import WIDTHS_MM, Anchors
from fields.face_model import FaceModel
from fields.field_config import FieldConfig
from fields.first_estimate import FirstEstimate
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.user_cache import user_cache
from train.face_batches import FaceBatch, draw_faces
from train.face_data import FaceData
from train.face_task import FaceConstants, FaceTask
from train.first_estimate_file import read_first_estimate, write_first_estimate
from train.first_regressions import fit_first_estimate
from train.loss_weights import LossWeights
from train.losses import code_rows

_ROW_VERTICES = 400
"""Of the face, that the posterior's mean is measured at."""
_AT_ONCE = 128
"""Skulls in one program."""
_VALIDATION_SEED = 1_000_003


def make_face_task(
    config: FieldConfig,
    data: FaceData,
    weights: LossWeights,
    *,
    out: Path | None = None,
    about: Mapping[str, Any] | None = None,
    init: FaceModel | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FaceTask:
    """Everything that training a face field needs. Minutes for the default's heads, seconds where they are kept.

    Args:
        config: Of the field.
        data: What it is trained on.
        weights: Of the loss.
        out: Folder in which validation leaves the model.
        about: Written into the model's file.
        init: Trained, of the same configuration: its prior is taken as it is, for its weights depart from that.
        say: Told what is being done.

    Raises:
        InputError: A file of `data` cannot be read, or `init` is of another anatomy prior.
    """
    say("making the generator")
    given_prior = read_prior(data.prior or PRIOR)
    prior = with_residual_modes(given_prior, config.residual_modes)
    if init is not None and not init.prior.has_head(prior.head.v_template):
        raise InputError("the model to begin with was trained with another anatomy prior; give that to --data.prior")
    jaw, errors = read_jaw_opening(data.jaw or JAW_OPEN, prior), read_pose_errors(data.pose_errors or POSE_ERRORS)
    generator = make_generator(prior, TRAIN, jaw, errors)

    def heads_of(count: int, seed: int) -> tuple[Heads, str]:
        digest = heads_digest(given_prior, config.residual_modes, jaw, count, data.queries_per_head, seed)
        return _heads(prior, generator, count, seed, data, digest, say), digest

    (heads, digest_of_heads), (others, _) = heads_of(data.heads, data.seed), heads_of(data.validation, _VALIDATION_SEED)
    given = law_given_head(generator.anatomy)
    anchors = make_anchors(prior, config.anchors) if init is None else init.prior.anchors
    rows_at, normals = _face_rows(prior)

    def fresh(which: Heads, undamaged: float) -> FreshSkulls:
        return FreshSkulls(generator, given, which, jnp.asarray(undamaged))

    anatomy = generator.anatomy
    shapes = (np.asarray(anatomy.head), np.asarray(anatomy.head_modes), np.asarray(anatomy.jaw.skin))
    rows = code_rows(*shapes, rows_at, normals)
    if init is None:
        first = _first_estimate(fresh(heads, 1.0), anchors, rows, config, data, digest_of_heads, say)
        say("rasterising the head")
        face_prior = make_face_prior(*shapes, prior.head.faces, anchors, first)
    else:
        face_prior = init.prior
    half = data.validation // 2
    seen = [_skulls(fresh(others, share), anchors, half, data, told=0.0, seed=1) for share in (1.0, 0.0)]
    validation = jax.tree.map(lambda *arrays: np.concatenate(arrays), *seen)
    constants = FaceConstants(face_prior, fresh(heads, data.undamaged), rows, validation)
    return FaceTask(config, data, weights, constants, out, {**(about or {}), "credit": given_prior.credit})


def _heads(
    prior: AnatomyPrior,
    generator: Generator,
    count: int,
    seed: int,
    data: FaceData,
    digest: str,
    say: Callable[[str], None],
) -> Heads:
    path = _cache(data) / f"{digest[:16]}.npz"
    heads = read_heads(path, digest)
    if heads is None:
        places = make_stream(prior, generator).places
        heads = make_heads(
            generator.anatomy,
            places,
            count,
            data.queries_per_head,
            seed=seed,
            done=lambda made: say(f"made {made} of {count} heads"),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_heads(path, heads, digest)
    return heads


def _first_estimate(
    whole: FreshSkulls,
    anchors: Anchors,
    rows: jax.Array,
    config: FieldConfig,
    data: FaceData,
    digest_of_heads: str,
    say: Callable[[str], None],
) -> FirstEstimate:
    """Fitted on whole skulls, or as it was kept."""
    kept = _cache(data) / f"{_first_digest(digest_of_heads, config, data)[:16]}-first.npz"
    first = read_first_estimate(kept)
    if first is None:
        seen = _skulls(whole, anchors, data.regression_skulls, data, told=1.0, say=say)
        say("fitting the first estimate")
        arrays = [np.asarray(array) for array in (seen.features, seen.codes, seen.fullness)]
        first = fit_first_estimate(arrays[0], arrays[1], arrays[2], config.rank, np.asarray(rows))
        write_first_estimate(kept, first)
    return first


def _first_digest(heads: str, config: FieldConfig, data: FaceData) -> str:
    """Of everything that the first estimate depends on."""
    errors = file_digest(data.pose_errors or POSE_ERRORS)
    settings = (heads, errors, config.anchors, config.rank, data.skull_points, data.regression_skulls, data.seed)
    return hashlib.sha256(repr((*settings, TRAIN, TABLE_SD, LANDMARK_SD, WIDTHS_MM)).encode()).hexdigest()


def _cache(data: FaceData) -> Path:
    return data.cache or user_cache() / "s2f" / "heads"


def _skulls(
    fresh: FreshSkulls,
    anchors: Anchors,
    count: int,
    data: FaceData,
    *,
    told: float,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> FaceBatch:
    """So many skulls, drawn as batches are."""
    batches = []
    size = min(_AT_ONCE, count)
    for number in range(-(-count // size)):
        key = jax.random.fold_in(jax.random.key(data.seed + seed), number)
        batch = _draw(
            key,
            fresh,
            anchors,
            size,
            skull_points=data.skull_points,
            queries=data.queries,
            fullness_known=told,
        )
        batches.append(jax.tree.map(np.asarray, batch))
        say(f"drew {min((number + 1) * size, count)} of {count} skulls")
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *batches)


_draw = jax.jit(draw_faces, static_argnames=("size", "skull_points", "queries"))


def _face_rows(prior: AnatomyPrior) -> tuple[np.ndarray, np.ndarray]:
    """Some vertices of the mean head's face, spread by area, and its normals there."""
    head: Mesh = prior.head_mesh()
    face = face_triangles(head, prior.landmark_points())
    areas = np.bincount(head.faces[face].ravel(), np.repeat(head.face_areas()[face], 3), len(head.vertices))
    chosen = np.random.default_rng(0).choice(len(areas), _ROW_VERTICES, replace=False, p=areas / areas.sum())
    return chosen, head.vertex_normals()[chosen].astype(np.float32)

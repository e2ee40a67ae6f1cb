"""Makes the task of fine-tuning a field: its prior, the user's pairs on the device, and the cohort beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from data.cohort.pose_errors import read_pose_errors
from data.cores import cores
from data.pairs.folders import Pair, find_all_pairs
from data.pairs.pools import PoolSizes
from data.pairs.source import PairSource, Sample
from data.pairs.true_surface import true_surface
from data.prior import read_prior
from data.shipped import POSE_ERRORS, PRIOR
from fields.face_model import FaceModel
from fields.face_model_file import is_face_model, read_face_model
from fields.latent import POSE
from flame_jax.errors import InputError
from train.face_batches import FaceBatch
from train.loss_weights import LossWeights
from train.make_face_task import make_face_task
from train.pair_batches import PairPools, pair_of
from train.pair_data import PairData
from train.pair_task import HeldOutPairs, PairConstants, PairTask, pair_figures
from train.run_folder import MODEL

_SURFACE_POINTS = 2_048
"""Of each held-out face, that a prediction is measured at."""


def make_pair_task(
    model_file: Path,
    data: PairData,
    weights: LossWeights,
    *,
    out: Path | None = None,
    about: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> PairTask:
    """Everything that fine-tuning needs. Some seconds for each new pair; minutes for new heads of the cohort.

    Args:
        model_file: The model to begin with.
        data: What it is trained on.
        weights: Of the loss.
        out: Folder in which validation leaves the model.
        about: Written into the model's file.
        say: Told what is being done.

    Raises:
        InputError: The model or a file of `data` cannot be read, the model is of another anatomy prior, or the pairs
            are too few.
    """
    _check(data)
    trained, held_out = _parted(data)
    init, said = _read_model(model_file)
    prior = read_prior(data.prior or PRIOR)
    if not init.prior.has_head(prior.head.v_template):
        raise InputError(f"{model_file}: was trained with another anatomy prior; give that one to --data.prior")
    sizes = PoolSizes(data.kept_skull_points, data.kept_queries)
    source = PairSource((*trained, *held_out), prior, sizes)
    _prepare(source, say)
    seen = HeldOutPairs(
        _faces([source[len(trained) + number] for number in range(len(held_out))], init, data),
        np.stack([true_surface(pair, prior, _SURFACE_POINTS) for pair in held_out]),
    )
    before = pair_figures(nnx.merge(init.graphdef, init.params), init.prior, seen)
    say(f"on {len(held_out)} held-out pairs the model is {before['surface/pairs']:.2f} mm off, before training")
    pools = _pools([source[number] for number in range(len(trained))])
    rows, fresh, validation = jnp.zeros((1, init.prior.modes.shape[2] + POSE)), None, None
    if data.cohort_share > 0.0:
        cohort = make_face_task(init.config, data, weights, init=init, say=say).constants
        rows, fresh, validation = jnp.asarray(cohort.rows), cohort.fresh, cohort.validation
    errors = read_pose_errors(data.pose_errors or POSE_ERRORS)
    constants = PairConstants(init.prior, rows, pools, errors, seen, fresh, validation)
    told = {
        "credit": said.get("credit", prior.credit),
        "pairs": {"trained_on": len(trained), "held_out": len(held_out)},
        "before": before,
    }
    return PairTask(init.config, data, weights, constants, init.temperature, out, {**(about or {}), **told})


def _check(data: PairData) -> None:
    if not 0.0 <= data.cohort_share < 1.0:
        raise InputError(f"data.cohort_share is {data.cohort_share}; give 0 or more, and less than 1")
    for name in ("held_out_every", "kept_skull_points", "kept_queries"):
        if getattr(data, name) < 1:
            raise InputError(f"data.{name} is {getattr(data, name)}; give 1 or more")


def _parted(data: PairData) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and others to validate on."""
    # Together, so that no folder is on both sides.
    found = find_all_pairs((*data.pairs, *data.held_out))
    own = [pair for pairs in found[: len(data.pairs)] for pair in pairs]
    others = [pair for pairs in found[len(data.pairs) :] for pair in pairs]
    if others:
        return own, others
    others = own[:: data.held_out_every]
    trained = [pair for pair in own if pair not in others]
    if not trained:
        raise InputError(
            f"{data.pairs[0]}: leaves no pair to train on, since one in {data.held_out_every} is held out; give more "
            "pairs, or a folder of others to --data.held-out"
        )
    return trained, others


def _read_model(path: Path) -> tuple[FaceModel, dict[str, Any]]:
    if path.is_dir():
        raise InputError(
            f"{path}: has no {MODEL}, which holds the head that a checkpoint lacks; give the folder of a run that has "
            "been validated at least once, or a model's file"
        )
    if path.is_file() and not is_face_model(path):
        raise InputError(f"{path}: is no model; give the model.npz of a training run, or the shipped field")
    return read_face_model(path)


def _prepare(source: PairSource, say: Callable[[str], None]) -> None:
    """Make what is missing beside the pairs; a bad one is told before anything is trained."""
    say(f"reading {len(source)} pairs")
    source.prepare(workers=min(cores(), len(source)))


def _pools(samples: Sequence[Sample]) -> PairPools:
    def stacked(name: str) -> np.ndarray:
        return np.stack([sample[name] for sample in samples])

    return PairPools(
        *(stacked(name) for name in ("skull_points", "skull_normals", "query_points", "query_distances", "fullness"))
    )


def _faces(samples: Sequence[Sample], init: FaceModel, data: PairData) -> FaceBatch:
    """Pairs as the network meets them, where they lie; fullness is not told."""
    count, queries = min(data.skull_points, data.kept_skull_points), min(data.queries, data.kept_queries)
    made = []
    for sample in samples:
        # In random order: the first are a fair sample.
        skull = [sample[name][:count] for name in ("skull_points", "skull_normals")]
        asked = [sample[name][:queries] for name in ("query_points", "query_distances")]
        face = _pair_of(init.prior.anchors, init.prior.modes.shape[2], *skull, *asked, np.float32(np.nan))
        made.append(jax.tree.map(np.asarray, face))
    return jax.tree.map(lambda *arrays: np.stack(arrays), *made)


_pair_of = jax.jit(pair_of, static_argnames="coefficients")

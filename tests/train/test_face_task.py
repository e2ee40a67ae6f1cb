"""The task of training a face field: loss, derivatives, validation."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from fields.face_model_file import read_face_model
from fields.latent import POSE
from tests.face_training_made import BATCH, debug_batch, debug_task, untrained
from train.face_batches import FaceBatch
from train.loss_weights import LossWeights
from train.run_folder import MODEL

KEY = jax.random.key(0)


@functools.cache
def _program() -> Any:
    task, (graphdef, _) = debug_task(), nnx.split(untrained())

    def loss(params: nnx.State, batch: FaceBatch, key: jax.Array) -> Any:
        return task.loss(nnx.merge(graphdef, params), task.constants, batch, key)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def computed(batch: FaceBatch, params: nnx.State | None = None) -> tuple[float, dict[str, float], nnx.State]:
    """Loss, its terms, and its gradient."""
    params = nnx.split(untrained())[1] if params is None else params
    (loss, terms), slopes = _program()(params, batch, KEY)
    return float(loss), {name: float(value) for name, value in terms.items()}, slopes


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    loss, terms, _ = computed(debug_batch())
    weights = dataclasses.asdict(LossWeights())
    assert set(terms) == set(weights)
    assert all(np.isfinite(value) for value in terms.values())
    assert loss == pytest.approx(sum(weights[name] * value for name, value in terms.items()), rel=1e-5)


def test_before_training_it_is_the_head_of_the_true_code() -> None:
    """The distance is off by what the grid is; there is no residual yet."""
    _, terms, _ = computed(debug_batch())
    assert terms["distance"] < 0.3
    assert terms["roughness"] == terms["size"] == 0.0
    assert terms["eikonal"] < 0.1
    assert terms["normal"] < 0.05
    assert terms["bone"] < 0.3
    assert 0.3 < terms["surface"] < 5.0


def test_every_part_has_a_derivative_and_none_is_infinite() -> None:
    slopes = computed(debug_batch())[2]
    still = []
    for path, slope in jax.tree.leaves_with_path(slopes):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        assert np.isfinite(slope).all(), name
        if not np.abs(slope).max() > 0.0:
            still.append(name)
    # Behind layers that start at zero: the residual's and the blocks'.
    behind = ("residual", "blocks")
    assert all(name.startswith(("residual.", "encoder.blocks", "encoder.")) for name in still)
    assert any(part in name for part in behind for name in still)
    for name in ("posterior", "encoder.infer"):
        assert not any(one.startswith(name) for one in still)


def test_pairs_whose_code_is_unknown_are_trained_on_distances_alone() -> None:
    """As of the user's own pairs: their head is drawn from the posterior."""
    batch = debug_batch()
    unknown = dataclasses.replace(batch, codes=jnp.full_like(batch.codes, jnp.nan))
    loss, terms, slopes = computed(unknown)
    assert np.isfinite(loss)
    assert terms["likelihood"] == terms["surface"] == 0.0
    assert terms["distance"] > 3.0 * computed(batch)[1]["distance"]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    assert np.abs(np.asarray(slopes["posterior"]["log_sd"][...])).max() > 0.0


def test_a_better_estimate_has_less_loss() -> None:
    """A step along the negative gradient lowers the loss."""
    params = nnx.split(untrained())[1]
    loss, _, slopes = computed(debug_batch())
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(slopes)))
    moved = jax.tree.map(lambda value, slope: value - 1e-3 / norm * slope, params, slopes)
    lower = computed(debug_batch(), moved)[0]
    assert loss - lower == pytest.approx(1e-3 * norm, rel=0.5)


def test_validation_tells_figures_and_leaves_the_model(tmp_path: Path) -> None:
    task = dataclasses.replace(debug_task(), out=tmp_path, about={"experiment": "debug"})
    figures = dict(task.validate(untrained(), task.constants))
    assert all(np.isfinite(value) for value in figures.values())
    kinds = ("surface", "likelihood", "within_90", "distance")
    assert set(figures) == {*(f"{kind}/{half}" for kind in kinds for half in ("undamaged", "damaged")), "temperature"}
    assert 0.3 < figures["surface/undamaged"] < 4.0
    assert figures["distance/undamaged"] < 0.3
    assert 0.0 <= figures["within_90/damaged"] <= 1.0
    model, about = read_face_model(tmp_path / MODEL)
    assert about["validation"] == figures
    assert about["experiment"] == "debug"
    assert model.temperature == pytest.approx(figures["temperature"])
    # With that temperature, nine tenths of the standard deviations hold.
    assert figures["temperature"] > 0.3


def test_the_first_estimate_is_better_than_the_mean_head() -> None:
    """Regressions on 128 skulls already know something, of whole skulls and of damaged ones."""
    task = debug_task()
    figures = task.validate(untrained(), task.constants)
    rows, codes = np.asarray(task.constants.rows), np.asarray(task.constants.validation.codes)
    mean = np.abs((codes - np.asarray(task.constants.prior.first.mean)) @ rows.T).mean()
    assert figures["surface/undamaged"] < 0.85 * mean
    assert figures["surface/damaged"] < 1.1 * mean


def test_the_model_is_as_large_as_its_configuration_says() -> None:
    task = debug_task()
    assert untrained().encoder.infer.shape[0] == np.asarray(task.constants.prior.modes).shape[2] + POSE
    one, same, other = (jax.tree.leaves(nnx.split(task.make_model(seed))[1]) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert len(debug_batch().fullness) == BATCH

"""A tiny face model with random parameters, of the shipped prior's head: like a trained one to everything around it."""

from __future__ import annotations

import functools

import jax
import numpy as np
from flax import nnx

from data.face_prior import make_anchors, make_face_prior
from data.jaw_opening import read_jaw_opening
from data.residual_modes import with_residual_modes
from data.shipped import JAW_OPEN
from fields.anchor_pooling import FEATURES, WIDTHS_MM
from fields.face_field import FaceField
from fields.face_model import FaceModel
from fields.face_prior import FacePrior
from fields.field_config import EncoderConfig, FieldConfig, ResidualConfig
from fields.first_estimate import FirstEstimate
from fields.latent import POSE
from tests.skulls_made import shipped_prior

TINY = FieldConfig(
    residual_modes=4,
    anchors=64,
    rank=8,
    encoder=EncoderConfig(width=16, blocks=1, heads=2, global_width=32, squeezed=4, rounds=2),
    field=ResidualConfig(width=16, layers=1, overall=4),
)
TEMPERATURE = 1.25
_SPREAD, _BESIDE = 0.15, 0.4
"""Of the posterior: standard deviation of each entry of the factor, and beside it."""


@functools.cache
def tiny_model() -> FaceModel:
    """Its posterior and its residual depend on the skull, the former by some tenths, the latter by some tenths of a
    millimetre; faces look like faces. Made in seconds, once for all tests."""
    prior = tiny_prior()
    model = FaceField(TINY, prior.modes.shape[2], rngs=nnx.Rngs(0))
    rng = np.random.default_rng(1)
    assert model.residual is not None
    out = model.residual.out.kernel
    out[...] = jax.numpy.asarray(rng.normal(0.0, 0.05, out.shape), jax.numpy.float32)
    return FaceModel.of(TINY, model, prior, TEMPERATURE)


@functools.cache
def tiny_prior() -> FacePrior:
    """Of the shipped head, its modes and four residual ones; the regressions are made up."""
    prior = with_residual_modes(shipped_prior(), TINY.residual_modes)
    code = prior.head.shapedirs.shape[2] + POSE
    mouth = read_jaw_opening(JAW_OPEN, prior).skin
    anchors = make_anchors(prior, TINY.anchors)
    return make_face_prior(
        prior.head.v_template, prior.head.shapedirs, np.asarray(mouth), prior.head.faces, anchors, _first(code)
    )


def _first(code: int) -> FirstEstimate:
    rng, seen = np.random.default_rng(0), len(WIDTHS_MM) * FEATURES
    features = TINY.anchors * seen

    def noise(sd: float, *shape: int) -> np.ndarray:
        return rng.normal(0.0, sd, shape).astype(np.float32)

    return FirstEstimate(
        centre=np.zeros((TINY.anchors, seen), np.float32),
        scale=np.ones((TINY.anchors, seen), np.float32),
        plenty=np.full(TINY.anchors, 0.5, np.float32),
        mean=np.zeros(code, np.float32),
        infer=noise(0.01, code, features),
        imply=noise(0.01, features, code),
        fullness=noise(0.2, code),
        factor=noise(_SPREAD, code, TINY.rank),
        log_sd=np.full(code, np.log(_BESIDE), np.float32),
    )

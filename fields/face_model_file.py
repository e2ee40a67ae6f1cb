"""A trained face field as one file: parameters, prior and what they are. Nothing in a file is ever run.

A NumPy archive without pickles. Parameters, modes and regressions are in half precision, positions in single; the grids
are rasterised when the file is read for the first time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from fields.anchor_pooling import Anchors
from fields.face_field import FaceField
from fields.face_model import FaceModel
from fields.face_prior import FacePrior
from fields.field_config import EncoderConfig, FieldConfig, ResidualConfig
from fields.first_estimate import FirstEstimate
from fields.head_grids import kept_head_grids
from fields.latent import POSE
from fields.mesh import Mesh
from fields.named_leaves import by_name, with_structure_of
from fields.skull_encoder import SEEN
from flame_jax.array_archive import ArchiveKind
from flame_jax.errors import InputError

FORMAT = "s2f face field 1"
_KIND = ArchiveKind(FORMAT, "is no face field", "give a file that s2f train has made, or get it anew")
_EXACT = ("prior.mean", "prior.faces", "prior.anchors.points")
"""Kept in full: half precision rounds 100 mm to 0.06."""


def write_face_model(path: Path, model: FaceModel, about: Mapping[str, Any], *, half: bool = True) -> None:
    """Write a model to a .npz file.

    Args:
        path: The file.
        model: To be written.
        about: What it is, as JSON has it: where it comes from, credit, figures.
        half: Whether in half precision where that is enough.

    Raises:
        InputError: The file cannot be written.
        ValueError: A number is not finite or too large; the message names it.
    """
    stored: dict[str, np.ndarray] = {}
    for name, array in _named(model).items():
        array = np.asarray(array)
        if array.dtype == np.float32 and half and name not in _EXACT:
            with np.errstate(over="ignore"):
                array = array.astype(np.float16)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite as {array.dtype}")
        stored[name] = array
    own: dict[str, Any] = {"field": dataclasses.asdict(model.config), "temperature": model.temperature}
    if type(model.config.encoder) is not EncoderConfig:
        own["encoder"] = type(model.config.encoder).__name__
    _KIND.write(path, stored, {**about, **own})


def read_face_model(path: Path) -> tuple[FaceModel, dict[str, Any]]:
    """A model and what is said of it.

    An encoder of another kind is known once the module of its configuration, a subclass of `EncoderConfig`, is
    imported.

    Raises `InputError` for a file that is absent, none of these, or damaged, and for an unknown encoder.
    """
    stored, about = _KIND.read(path)
    kind = _encoder_kind(path, about)
    try:
        temperature, config = float(about["temperature"]), _config(about["field"], kind)
        arrays = {name: _single(array) for name, array in stored.items()}
        if not (0.0 < temperature < np.inf and all(np.isfinite(array).all() for array in arrays.values())):
            raise _KIND.damaged(path)
        prior = _prior(arrays, config)
        shapes = nnx.eval_shape(lambda: FaceField(config, prior.modes.shape[2], rngs=nnx.Rngs(0)))
        graphdef, wanted = nnx.split(shapes)
        params = _filled(wanted, arrays)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, ArithmeticError):
        raise _KIND.damaged(path) from None
    return FaceModel(config, graphdef, params, jax.device_put(prior), temperature), about


def is_face_model(path: Path) -> bool:
    """Whether a file, damaged or not, is meant to be a face model."""
    return _KIND.is_meant_by(path)


def read_face_parameters(path: Path) -> dict[str, np.ndarray]:
    """The parameters alone by name, `encoder.look.kernel` and the like, as float32: the prior, whose grids take
    seconds, is left out. Raises `InputError` as `read_face_model` does."""
    stored, _ = _KIND.read(path)
    return {
        name.removeprefix("params.").removesuffix(".value"): _single(array)
        for name, array in stored.items()
        if name.startswith("params.")
    }


def _encoder_kind(path: Path, about: Mapping[str, Any]) -> type[EncoderConfig]:
    name = about.get("encoder", EncoderConfig.__name__)
    kinds: list[type[EncoderConfig]] = [EncoderConfig, *EncoderConfig.__subclasses__()]
    for kind in kinds:
        if kind.__name__ == name:
            return kind
    raise InputError(f"{path}: has the encoder {name}, which is unknown; import the module that defines it first")


def _named(model: FaceModel) -> dict[str, Any]:
    parts = {"params": model.params, "prior": model.prior}
    return {name: leaf for name, leaf in by_name(parts).items() if not name.startswith("prior.grids.")}


def _filled(wanted: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    named = {name: jax.numpy.asarray(arrays[f"params.{name}"]) for name in by_name(wanted)}
    for name, leaf in by_name(wanted).items():
        if named[name].shape != leaf.shape:
            raise ValueError(name)
    return with_structure_of(wanted, named)


def _prior(arrays: Mapping[str, np.ndarray], config: FieldConfig) -> FacePrior:
    own = {name.removeprefix("prior."): array for name, array in arrays.items() if name.startswith("prior.")}
    vertices, coefficients = len(own["mean"]), own["modes"].shape[2]
    code, features = coefficients + POSE, config.anchors * SEEN
    wanted = {
        "mean": (vertices, 3),
        "modes": (vertices, 3, coefficients),
        "open_mouth": (vertices, 3),
        "faces": (len(own["faces"]), 3),
        "anchors.points": (config.anchors, 3),
        "anchors.normals": (config.anchors, 3),
        "first.centre": (config.anchors, SEEN),
        "first.scale": (config.anchors, SEEN),
        "first.plenty": (config.anchors,),
        "first.mean": (code,),
        "first.infer": (code, features),
        "first.imply": (features, code),
        "first.fullness": (code,),
        "first.factor": (code, config.rank),
        "first.log_sd": (code,),
    }
    if {name: array.shape for name, array in own.items()} != wanted:
        raise ValueError("prior")
    anchors = Anchors(own["anchors.points"], own["anchors.normals"])
    first = FirstEstimate(**{field.name: own[f"first.{field.name}"] for field in dataclasses.fields(FirstEstimate)})
    faces = own["faces"].astype(np.int32)
    if faces.min() < 0 or faces.max() >= vertices:
        raise ValueError("prior.faces")
    grids = kept_head_grids(Mesh(own["mean"].astype(np.float64), faces))
    return FacePrior(own["mean"], own["modes"], own["open_mouth"], faces, grids, anchors, first)


def _config(about: Mapping[str, Any], kind: type[EncoderConfig]) -> FieldConfig:
    encoder, field = kind(**about["encoder"]), ResidualConfig(**about["field"])
    config = FieldConfig(**{**about, "encoder": encoder, "field": field})
    for part, usual in ((config, FieldConfig(encoder=kind())), (encoder, kind()), (field, ResidualConfig())):
        for name, value in vars(part).items():
            if type(value) is not type(getattr(usual, name)) or (isinstance(value, int) and value < 0):
                raise ValueError(name)
    if kind is EncoderConfig and encoder.width % encoder.heads:
        raise ValueError("heads")
    return config


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else array

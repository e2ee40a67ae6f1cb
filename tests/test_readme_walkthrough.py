"""The README's walkthrough does what it says: its code blocks are run as they stand, one after the other."""

from __future__ import annotations

import functools
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from flax import nnx

from fields import face_model_file
from fields.anchor_pooling import pooled
from fields.face_field import FaceField
from fields.face_model import FaceModel
from fields.face_model_file import read_face_model, write_face_model
from s2f.commands.train import train_command
from tests.fields_made import tiny_prior

HEADING = "## Add your own encoder, experiment, baseline"
README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[str]:
    """Of Python, under the heading."""
    text = README.read_text(encoding="utf-8")
    assert text.count(f"\n{HEADING}\n") == 1
    section = re.split(r"\n## ", text.split(f"\n{HEADING}\n")[1])[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@functools.cache
def walked() -> dict[str, Any]:
    """What there is afterwards."""
    # Dataclasses look their own module up.
    module = types.ModuleType("walkthrough")
    sys.modules[module.__name__] = module
    for block in blocks():
        exec(compile(block, "README.md", "exec"), vars(module))
    return vars(module)


def test_the_encoder_is_part_of_a_field_that_is_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, prior = walked()["EXPERIMENTS"]["mean"].field, tiny_prior()
    model = FaceField(config, prior.modes.shape[2], rngs=nnx.Rngs(0))
    assert type(model.encoder) is walked()["MeanEncoder"]
    points, normals = prior.anchors.points, prior.anchors.normals
    code = model.encode(prior, pooled(prior.anchors, points, normals, np.ones(len(points), bool)))
    latent = model.infer(prior, code, np.asarray(np.nan, np.float32)).mean
    assert np.isfinite(model.distance(prior, code, model.placed(prior, latent), points[:8])).all()
    write_face_model(tmp_path / "mean.npz", FaceModel.of(config, model, prior).folded(), {})
    monkeypatch.setattr(face_model_file, "kept_head_grids", lambda mean: prior.grids)
    assert read_face_model(tmp_path / "mean.npz")[0].config == config


def test_the_experiment_is_offered_with_the_encoder_s_own_options() -> None:
    command: Any = train_command(walked()["EXPERIMENTS"])
    chosen = tyro.cli(command, args=["mean", "--field.encoder.width", "8"]).subject.experiment
    assert type(chosen.field.encoder) is walked()["MeanEncoderConfig"]
    assert (chosen.field.encoder.width, chosen.field.encoder.global_width) == (8, 32)


def test_the_baseline_is_scored() -> None:
    assert 1.0 < walked()["scores"][0].errors.whole.true_to_predicted.mean_mm < 10.0

"""Hyperparameters: what is refused, and that the command line can offer them at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from flame_jax.errors import InputError
from train.training import MAY_CHANGE, Training


def test_the_defaults_make_sense():
    Training().check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("seed", -1),
        ("data_seed", 2**32),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup", 20_000),
        ("final_rate", 1.5),
        ("weight_decay", -0.1),
        ("clip_norm", 0.0),
        ("ema_decay", 1.0),
        ("checkpoint_minutes", -1.0),
        ("keep", 0),
        ("validate_every", 0),
        ("log_every", 0),
    ],
)
def test_a_bad_value_is_named(name, value):
    with pytest.raises(InputError, match=rf"^training\.{name} is .*; give "):
        dataclasses.replace(Training(), **{name: value}).check()


def test_fields_that_may_change_exist():
    assert {field.name for field in dataclasses.fields(Training)} > MAY_CHANGE


def test_nothing_heavy_is_imported():
    program = "import sys, train.training, train.experiment\nsys.exit(sorted({'jax', 'numpy'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0

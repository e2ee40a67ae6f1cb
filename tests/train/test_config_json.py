"""Configurations as JSON and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from flame_jax.errors import InputError
from tests.training_made import ToyExperiment
from train.config_json import config_json, differing_fields, read_config


@dataclasses.dataclass(frozen=True)
class Layer:
    width: int
    kind: Literal["gelu", "sine"] = "gelu"


@dataclasses.dataclass(frozen=True)
class Config:
    layers: tuple[Layer, ...] = (Layer(3), Layer(4, "sine"))
    box: tuple[float, int] = (0.5, 2)
    prior: Path | None = None
    weights: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"sdf": 1.0})
    rate: Annotated[float, "per step"] = 1e-3
    flag: bool = False
    anything: Any = None


@pytest.mark.parametrize("config", [Config(), Config(prior=Path("a/b.npz"), layers=(), flag=True), ToyExperiment()])
def test_a_configuration_comes_back(config):
    content = json.loads(json.dumps(config_json(config)))
    assert read_config(type(config), content, "run.json") == config


def test_a_whole_number_stands_for_a_float_and_absent_fields_for_their_defaults():
    assert read_config(Config, {"rate": 1}, "run.json") == Config(rate=1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layer": []}, r"config\.layer is unknown"),
        ({"layers": [{}]}, r"config\.layers\.0\.width is absent"),
        ({"layers": [{"width": "3"}]}, r"config\.layers\.0\.width is '3', not int"),
        ({"layers": [{"width": True}]}, r"config\.layers\.0\.width is 'True', not int"),
        ({"layers": [{"width": 3, "kind": "relu"}]}, r"config\.layers\.0\.kind is 'relu'"),
        ({"box": [0.5]}, r"config\.box is"),
        ({"prior": 3}, r"config\.prior is '3'"),
        ({"weights": {"sdf": "much"}}, r"config\.weights\.sdf is 'much', not float"),
        ([], "config is "),
    ],
)
def test_what_does_not_fit_is_named(content, message):
    with pytest.raises(InputError, match=rf"^run\.json: {message}.*another version") as raised:
        read_config(Config, content, "run.json")
    assert "\n" not in str(raised.value)


def test_only_plain_values_are_written():
    with pytest.raises(TypeError, match="object"):
        config_json({"a": object()})


def test_differing_fields_are_named():
    one, other = config_json(Config()), config_json(Config(rate=2e-3, weights={"sdf": 1.0, "eikonal": 0.1}))
    assert differing_fields(one, other) == ["rate", "weights.eikonal"]
    assert differing_fields(one, one) == []
    assert differing_fields({"a": {}}, {"a": {"b": 1}}) == ["a", "a.b"]
    assert differing_fields({"a": None}, {}) == ["a"]

"""Experiments: instances of the frozen dataclasses that each folder defines beside its code."""

from __future__ import annotations

from collections.abc import Mapping

from configs.faces import DEBUG, DEFAULT
from configs.pairs import FINETUNE
from train.experiment import Experiment

EXPERIMENTS: Mapping[str, Experiment] = {"debug": DEBUG, "default": DEFAULT, "finetune": FINETUNE}
"""By name, as `s2f train` takes them."""

SUMMARIES: Mapping[str, str] = {
    "debug": "A minute on two cores, to see whether everything runs. What comes out is no model.",
    "default": "The model that is shipped: at most 100 minutes on two cores.",
    "finetune": "A trained model, further on your own skull-face pairs: --init-from MODEL --data.pairs DIR.",
}
"""A line on each, for the help."""

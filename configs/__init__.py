"""Experiments: instances of the frozen dataclasses that each folder defines beside its code."""

from __future__ import annotations

from collections.abc import Mapping

from configs.faces import DEBUG, DEFAULT
from train.face_experiment import FaceExperiment

EXPERIMENTS: Mapping[str, FaceExperiment] = {"debug": DEBUG, "default": DEFAULT}
"""By name, as `s2f train` takes them."""

SUMMARIES: Mapping[str, str] = {
    "debug": "A minute on two cores, to see whether everything runs. What comes out is no model.",
    "default": "The model that is shipped: at most 100 minutes on two cores.",
}
"""A line on each, for the help."""

"""Severities: set for all or by name, and refused where they mean nothing."""

from __future__ import annotations

import dataclasses

import jax
import pytest

from data.cohort.harm import CHANCE
from data.cohort.severities import Severities
from flame_jax.errors import InputError

KINDS = [field.name for field in dataclasses.fields(Severities)]


def test_one_level_for_all_and_others_for_some():
    levels = Severities.all(2.0).with_kinds({"holes": 0.0, "noise": 3.5})
    assert levels.holes == 0.0
    assert levels.noise == 3.5
    assert {kind for kind in KINDS if getattr(levels, kind) != 2.0} == {"holes", "noise"}
    # As many numbers as there are kinds, whatever they are: what `jax.jit` takes as arguments.
    assert len(jax.tree.leaves(levels)) == len(KINDS)


@pytest.mark.parametrize("level", [-0.1, float("nan"), float("inf")])
def test_impossible_levels_are_refused(level):
    with pytest.raises(InputError, match=r"damage .*: give 0"):
        Severities.all(level)
    with pytest.raises(InputError, match=r"damage .*: give 0"):
        Severities().with_kinds({"cracks": level})


def test_an_unknown_kind_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="damage 'hole' is unknown") as error:
        Severities().with_kinds({"hole": 1.0})
    assert all(kind in str(error.value) for kind in KINDS)


def test_every_kind_has_a_chance():
    assert all(0.0 < float(getattr(CHANCE, kind)) <= 1.0 for kind in KINDS)

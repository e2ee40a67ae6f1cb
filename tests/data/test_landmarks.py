"""The table of landmarks."""

from __future__ import annotations

from data.landmarks import (
    ALL_KEYS,
    BY_ABBREVIATION,
    CAPLE_STEPHAN,
    FRANKFURT,
    LANDMARKS,
    MANDIBULAR,
    MARTIN,
    MIDLINE_KEYS,
    abbreviation_of,
)


def test_every_landmark_is_defined_and_sourced() -> None:
    for landmark in LANDMARKS:
        assert landmark.name
        assert len(landmark.definition) > 20
        assert landmark.definition.endswith(".")
        assert landmark.source in (CAPLE_STEPHAN, MARTIN)
    assert len({landmark.definition for landmark in LANDMARKS}) == len(LANDMARKS) == len(BY_ABBREVIATION)


def test_numbers_of_landmarks_and_points() -> None:
    with_depth = [landmark for landmark in LANDMARKS if landmark.abbreviation not in FRANKFURT]
    assert len(with_depth) == 25
    assert sum(len(landmark.points()) for landmark in with_depth) == 36
    assert len(ALL_KEYS) == len(set(ALL_KEYS)) == 40
    assert len(MIDLINE_KEYS) == 14
    assert set(MANDIBULAR) < set(BY_ABBREVIATION)


def test_keys_and_abbreviations() -> None:
    assert BY_ABBREVIATION["zy"].points() == ("zy_l", "zy_r")
    assert BY_ABBREVIATION["pg"].points() == ("pg",)
    assert abbreviation_of("ecm2(s)_r") == "ecm2(s)"
    assert {abbreviation_of(key) for key in ALL_KEYS} == set(BY_ABBREVIATION)

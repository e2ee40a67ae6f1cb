"""Records of pairs: what is written comes back, and what is wrong is told by file and entry."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data.pairs.record import FORMAT, PairRecord, read_record, write_record
from flame_jax.errors import InputError
from tests.pairs_made import rigid


def a_record() -> PairRecord:
    return PairRecord(
        case=7,
        seed=3,
        generator="train",
        T_head_input_true=rigid(1),
        T_head_input_aligned=rigid(2),
        fullness=-0.5,
        betas=np.array([0.25, -1.5]),
        head_model="a head",
        depths={"n": 6.5, "go_l": 12.25},
    )


def test_what_is_written_comes_back(tmp_path):
    written = a_record()
    write_record(tmp_path / "record.json", written, more={"damage": {"holes": 3}, "case": "not this"})
    found = read_record(tmp_path / "record.json")
    assert (found.case, found.seed, found.generator, found.head_model) == (7, 3, "train", "a head")
    assert found.fullness == -0.5
    assert found.depths == written.depths
    for name in ("T_head_input_true", "T_head_input_aligned", "betas"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    assert json.loads((tmp_path / "record.json").read_text())["damage"] == {"holes": 3}


def test_a_record_may_tell_nothing(tmp_path):
    (tmp_path / "record.json").write_text(json.dumps({"format": FORMAT, "scanner": "ours"}))
    assert read_record(tmp_path / "record.json") == PairRecord()


def test_numbers_that_are_none_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_record(tmp_path / "record.json", PairRecord(fullness=float("nan")))
    assert list(tmp_path.iterdir()) == []


MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0]).tolist()
SCALED = np.diag([1.001, 1.001, 1.001, 1.0]).tolist()
PROJECTIVE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.1, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "s2f pair 0"}, r"format 's2f pair 0' is not 's2f pair 1'"),
        ({"format": None}, "format None is not"),
        ({"case": 1.5}, "case is not a whole number"),
        ({"seed": True}, "seed is not a whole number"),
        ({"generator": "ours"}, "generator is none of train, test"),
        ({"head_model": 3}, "head_model is not a name"),
        ({"T_head_input": np.eye(4).tolist()}, "T_head_input is not a table"),
        ({"T_head_input": {"true": np.eye(4).tolist()}}, "T_head_input has no 'aligned'"),
        ({"T_head_input": {"aligned": np.eye(3).tolist()}}, "T_head_input aligned is not 4×4 numbers"),
        ({"T_head_input": {"aligned": MIRROR}}, "T_head_input aligned does not turn and move alone"),
        ({"T_head_input": {"aligned": SCALED}}, "T_head_input aligned does not turn and move alone"),
        ({"T_head_input": {"aligned": PROJECTIVE}}, "T_head_input aligned does not turn and move alone"),
        ({"T_head_input": {"aligned": np.eye(4).tolist(), "true": MIRROR}}, "T_head_input true does not turn"),
        ({"fullness": "plump"}, "fullness is not a number"),
        ({"fullness": float("nan")}, "fullness is not a number"),
        ({"betas": 3.0}, "betas is not a list of numbers"),
        ({"betas": [1.0, None]}, "betas is not 2 numbers"),
        ({"betas": [1.0, float("inf")]}, "betas is not 2 numbers"),
        ({"depths": [6.0]}, "depths is not a table"),
        ({"depths": {"n": [6.0]}}, "depth n is not a number"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, change, message):
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"format": FORMAT, **change}))
    with pytest.raises(InputError, match=message) as raised:
        read_record(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"record"', "[" * 100_000])
def test_what_is_no_json_object_is_told(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(InputError, match=r"record\.json: is not (a )?JSON.*; correct it, or remove it"):
        read_record(tmp_path / "record.json")

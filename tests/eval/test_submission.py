"""Folders of predictions: what is read, and what is wrong told in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.mesh_files import write_mesh
from eval.subject import Subject, read_pair
from eval.submission import read_submission
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import sphere
from tests.evaluation_made import ABOUT, mean_case, write_submission, write_told_pair
from tests.skulls_made import pose, shipped_prior

BALL = sphere(100.0, subdivisions=2)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return read_pair(write_told_pair(tmp_path_factory.mktemp("pairs") / "a", mean_case(), pose(5)), shipped_prior())


def test_meshes_come_from_the_skull_s_frame_to_the_head_frame(tmp_path: Path, subject: Subject) -> None:
    folder = write_submission(
        tmp_path / "s", {"a": BALL.transformed(pose(5)), "a_sample_10": BALL, "a_sample_2": BALL}, seconds={"a": 3.5}
    )
    np.save(folder / "a_sd.npy", np.linspace(0.0, 3.0, len(BALL.vertices)))
    submission = read_submission(folder, ["a", "b"])
    assert [path.name for path in submission.cases["a"].samples] == ["a_sample_2.ply", "a_sample_10.ply"]
    answer = submission(subject)
    np.testing.assert_allclose(answer.prediction.mesh.vertices, BALL.vertices, atol=1e-3)
    assert answer.prediction.sd_mm is not None
    np.testing.assert_allclose(answer.prediction.sd_mm, np.linspace(0.0, 3.0, len(BALL.vertices)))
    np.testing.assert_allclose(
        answer.prediction.samples[1].vertices, BALL.transformed(subject.T_head_input).vertices, atol=1e-3
    )
    assert (answer.seconds, submission.strangers, set(submission.cases)) == (3.5, (), {"a"})


def test_files_of_no_case_are_told_and_a_case_may_be_named_as_a_sample_is(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "s", {"a": BALL, "a_sample_1": BALL, "b_sample_1": BALL, "A": BALL})
    np.save(folder / "c_sd.npy", np.zeros(3))
    (folder / "notes.txt").write_text("mine")
    submission = read_submission(folder, ["a", "a_sample_1"])
    assert submission.cases["a"].samples == ()
    assert submission.strangers == ("A.ply", "b_sample_1.ply", "c_sd.npy")


def test_a_missing_case_is_told_when_it_is_asked_for(tmp_path: Path, subject: Subject) -> None:
    submission = read_submission(write_submission(tmp_path / "s", {"b": BALL}), ["a", "b"])
    with pytest.raises(InputError, match="has no mesh for case a"):
        submission(subject)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ({"format": "s2f submission 9"}, "format 's2f submission 9' is not"),
        ({"method": " "}, "method is not a text"),
        ({"description": 3}, "description is not a text"),
        ({"aligned_to_truth": "no"}, "aligned_to_truth is neither true nor false"),
        ({"fullness_told": None}, "fullness_told is neither"),
        ({"seconds": {"a": "fast"}}, "seconds of a is not a number"),
        ({"seconds": [1.0]}, "seconds is not a table"),
        ({"aligned": True}, "aligned is unknown"),
    ],
)
def test_bad_submission_files(tmp_path: Path, content: object, message: str) -> None:
    folder = write_submission(tmp_path / "s", {"a": BALL})
    path = folder / "submission.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content if isinstance(content, str) else json.dumps({**ABOUT, **content}))  # type: ignore[dict-item]
    with pytest.raises(InputError, match=message) as caught:
        read_submission(folder, ["a"])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_submission(tmp_path / "none", ["a"])
    folder = write_submission(tmp_path / "s", {"z": BALL})
    with pytest.raises(InputError, match=r"such as a\.ply"):
        read_submission(folder, ["a"])
    write_mesh(folder / "z.obj", BALL)
    with pytest.raises(InputError, match=r"z\.obj and z\.ply; keep one"):
        read_submission(folder, ["z"])


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (np.zeros(7), "not one number for each of the 162 vertices"),
        (np.zeros((162, 1)), "not one number for each"),
        (np.full(162, -1.0), "negative or not finite"),
        (np.full(162, np.nan), "negative or not finite"),
        (np.array(["1.0"] * 162), "not one number for each"),
        (np.array([{}] * 162, dtype=object), "no array of numbers"),
    ],
)
def test_bad_standard_deviations(tmp_path: Path, subject: Subject, spread: np.ndarray, message: str) -> None:
    folder = write_submission(tmp_path / "s", {"a": BALL})
    np.save(folder / "a_sd.npy", spread, allow_pickle=True)
    with pytest.raises(InputError, match=message) as caught:
        read_submission(folder, ["a"])(subject)
    assert str(folder / "a_sd.npy") in str(caught.value)


def test_kinds_without_an_order_of_vertices_take_no_standard_deviation(tmp_path: Path, subject: Subject) -> None:
    folder = write_submission(tmp_path / "s", {})
    write_mesh(folder / "a.stl", Mesh(BALL.vertices, BALL.faces))
    assert len(read_submission(folder, ["a"])(subject).prediction.mesh.faces) == len(BALL.faces)
    np.save(folder / "a_sd.npy", np.ones(len(BALL.vertices)))
    with pytest.raises(InputError, match=r"a\.stl keeps no order"):
        read_submission(folder, ["a"])(subject)

"""`s2f synthesize`: the same cases however they are made, continued where it stopped, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.cohort import pair_files
from data.cohort import synthesis as module
from data.cohort.data_card import data_card
from data.cohort.pair_files import PairMaker, case_name
from data.cohort.pose_errors import write_pose_errors
from data.cohort.severities import Severities
from data.cohort.synthesis import Synthesis, synthesize
from data.cohort.variants import TEST, TRAIN
from data.shipped import JAW_OPEN, PRIOR
from fields.mesh import Mesh
from flame_jax.errors import InputError
from s2f.cli import BAD_INPUT, main
from tests.cohort_made import train_generator


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synthesis:
    """A cohort whose generator is that of all tests, which is not made anew for each."""
    errors = tmp_path / "errors.npz"
    write_pose_errors(errors, train_generator().pose_errors)
    monkeypatch.setattr(module, "make_generator", lambda *args: train_generator())
    return Synthesis("train", PRIOR, JAW_OPEN, errors, Severities.all(1.0), seed=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_stopped_is_continued_to_the_same_files(
    recipe: Synthesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    told: list[int] = []
    synthesize(whole, recipe, range(4), workers=1, done=told.append)
    assert told == [0, 1, 2, 3, 4]
    write, written = PairMaker.write, []

    def failing(maker: PairMaker, folder: Path, number: int) -> None:
        if number == 2:
            (folder / f".{case_name(2)}.999999" / "half").mkdir(parents=True)
            raise KeyboardInterrupt
        write(maker, folder, number)

    monkeypatch.setattr(PairMaker, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        synthesize(parts, recipe, range(4), workers=1)

    def counting(maker: PairMaker, folder: Path, number: int) -> None:
        written.append(number)
        write(maker, folder, number)

    monkeypatch.setattr(PairMaker, "write", counting)
    synthesize(parts, recipe, range(4), workers=1)
    assert written == [2, 3]
    assert contents(parts) == contents(whole)
    # As another machine would make its share.
    elsewhere = tmp_path / "elsewhere"
    synthesize(elsewhere, recipe, range(3, 4), workers=1)
    assert contents(elsewhere / case_name(3)) == contents(whole / case_name(3))


def test_cohorts_are_not_mixed(recipe: Synthesis, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    synthesize(folder, recipe, range(1), workers=1)
    before = contents(folder)
    other = Synthesis("train", PRIOR, JAW_OPEN, recipe.pose_errors, Severities.all(0.0), bmi=30.0, seed=3)
    with pytest.raises(
        InputError, match=r"cohort\.json: its cohort was made with other bmi, severities; .*--overwrite"
    ):
        synthesize(folder, other, range(1), workers=1)
    assert contents(folder) == before
    (folder / "notes.txt").write_text("mine")
    synthesize(folder, other, range(1), workers=1, overwrite=True)
    after = contents(folder)
    assert after["notes.txt"] == b"mine"
    assert after[f"{case_name(0)}/record.json"] != before[f"{case_name(0)}/record.json"]
    assert json.loads(after[f"{case_name(0)}/record.json"])["damage"] == []


def test_pairs_of_another_origin_are_not_joined(recipe: Synthesis, tmp_path: Path) -> None:
    (tmp_path / "own" / "ann").mkdir(parents=True)
    (tmp_path / "own" / "ann" / "record.json").write_text("{}")
    with pytest.raises(InputError, match="pairs of another origin"):
        synthesize(tmp_path / "own", recipe, range(1), workers=1)
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["ann"]


def test_a_skull_of_which_nothing_is_left_leaves_nothing(
    recipe: Synthesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    monkeypatch.setattr(pair_files, "broken_mesh", lambda *args: nothing)
    with pytest.raises(InputError, match="case 0 has nothing left of its skull"):
        synthesize(tmp_path / "cohort", recipe, range(1), workers=1)
    assert sorted(path.name for path in (tmp_path / "cohort").iterdir()) == ["README.md", "cohort.json"]


def test_the_page_tells_what_was_chosen(recipe: Synthesis) -> None:
    chosen = Synthesis(
        "test", PRIOR, None, recipe.pose_errors, Severities.all(2.0).with_kinds({"half": 0.0}), fullness=1.5
    )
    page = data_card(chosen.settings(), TEST, "Head: somebody's.\nSkull: another's.")
    assert "never train on it" in page
    assert "κ = 0.8" in page
    assert "Severity of damage: 2 but for `half` 0" in page
    assert "1.5 standard deviations, for all" in page
    assert "- Skull: another's." in page
    assert "never train" not in data_card(recipe.settings(), TRAIN, "Head: somebody's.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--count", "0"], "--count 0"),
        (["--count", "1", "--first", "-1"], "--first -1"),
        (["--count", "1", "--workers", "0"], "--workers 0"),
        (["--count", "1", "--damage", "-1"], "damage -1"),
        (["--count", "1", "--severity", "rust", "1"], "damage 'rust' is unknown"),
        (["--count", "1", "--bmi", "500"], "500"),
        (["--count", "1", "--fullness", "0", "--bmi", "25"], "bmi"),
        (["--count", "1", "--jaw", "jaw.npz"], "--jaw belongs to a --prior"),
        (["--count", "1", "--prior", "absent.npz"], "absent.npz"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthesize", "--out", str(tmp_path / "cohort"), *arguments]) == BAD_INPUT
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "cohort").exists()

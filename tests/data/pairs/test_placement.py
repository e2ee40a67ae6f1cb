"""Where a pair lies: its record first, else the aligner, once."""

from __future__ import annotations

import types

import numpy as np
import pytest

from data.mesh_files import write_mesh
from data.pairs import placement
from data.pairs.content import file_digest, prior_digest
from data.pairs.folders import Pair
from data.pairs.placement import ALIGNMENT, place_pair
from data.pairs.record import PairRecord
from tests.data_made import sphere
from tests.pairs_made import rigid, write_pair
from tests.skulls_made import case, pose, shipped_prior, turn_degrees


def place(pair: Pair, record: PairRecord | None = None, prior: str = "a prior") -> np.ndarray:
    digest = file_digest(pair.skull)
    return place_pair(pair, record, shipped_prior(), skull_digest=digest, prior_digest=prior)


@pytest.fixture
def aligned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which skulls the aligner was asked for; it answers each time otherwise."""
    asked: list[str] = []

    def align(skull, prior, *, source):
        asked.append(source)
        return types.SimpleNamespace(T_head_skull=rigid(len(asked)))

    monkeypatch.setattr(placement, "align_skull", align)
    return asked


def test_the_record_tells_first(tmp_path, aligned):
    pair = write_pair(tmp_path / "a")
    record = PairRecord(T_head_input_true=rigid(8), T_head_input_aligned=rigid(9))
    np.testing.assert_array_equal(place(pair, record), rigid(9))
    assert aligned == []
    assert not (pair.folder / ALIGNMENT).exists()


@pytest.mark.parametrize("record", [None, PairRecord(fullness=1.0)])
def test_a_skull_is_aligned_once(tmp_path, aligned, record):
    pair = write_pair(tmp_path / "a")
    first = place(pair, record)
    np.testing.assert_array_equal(first, rigid(1))
    np.testing.assert_array_equal(place(pair, record), first)
    assert aligned == [str(pair.skull)]


def test_another_skull_or_prior_is_aligned_again(tmp_path, aligned):
    pair = write_pair(tmp_path / "a")
    place(pair)
    write_mesh(pair.skull, sphere(81.0))
    np.testing.assert_array_equal(place(pair), rigid(2))
    np.testing.assert_array_equal(place(pair, prior="another"), rigid(3))
    assert len(aligned) == 3


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: text[:-20], lambda text: text.replace("0.0,", "0.1,")]
)
def test_a_damaged_file_is_made_again(tmp_path, aligned, damage):
    pair = write_pair(tmp_path / "a")
    place(pair)
    path = pair.folder / ALIGNMENT
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    np.testing.assert_array_equal(place(pair), rigid(2))
    np.testing.assert_array_equal(place(pair), rigid(2))


def test_a_real_skull_comes_home(tmp_path):
    pair = Pair(tmp_path, tmp_path / "skull.ply", tmp_path / "face.ply")
    write_mesh(pair.skull, case(0).skull.transformed(pose(3)))
    home = place(pair, prior=prior_digest(shipped_prior())) @ pose(3)
    # The prior's skulls are made in the head frame.
    assert turn_degrees(home) < 6.0
    assert np.linalg.norm(home[:3, 3]) < 8.0

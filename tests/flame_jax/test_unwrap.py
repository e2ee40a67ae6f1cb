"""The unwrap: triangles keep their place, none is mirrored or lies over another, and it is cached."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import pytest

from data.prior import read_prior
from flame_jax import read_head_model
from flame_jax import unwrap as module
from flame_jax.model import HeadModel
from flame_jax.unwrap import unwrapped
from tests.data_made import joined, sphere
from tests.heads_made import bare

_ROOT = Path(__file__).parents[2]
_FLAME = _ROOT.parent / "shared/data/flame2023open/flame2023open_identity60.npz"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "flame_jax" / "uv"


@functools.cache
def _prior() -> HeadModel:
    return read_prior(_ROOT / "s2f/assets/prior.npz").head


@functools.cache
def _two_balls() -> HeadModel:
    mesh = joined(sphere(50.0, subdivisions=3), sphere(20.0, centre=(200.0, 0.0, 0.0), subdivisions=2))
    return bare(_prior(), mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))


def _uv(model: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    assert model.uv is not None
    assert model.uv_faces is not None
    return model.uv, model.uv_faces


def _doubled_areas(model: HeadModel) -> np.ndarray:
    uv, uv_faces = _uv(model)
    a, b, c = (uv[uv_faces[:, corner]].astype(np.float64) for corner in range(3))
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def _covered(model: HeadModel, size: int = 1500) -> np.ndarray:
    """How many triangles lie over each pixel's middle; their edges count for none."""
    uv, uv_faces = _uv(model)
    corners = uv[uv_faces].astype(np.float64) * size - 0.5
    count = np.zeros((size, size), dtype=int)
    for corner in corners:
        low, high = np.ceil(corner.min(axis=0)).astype(int), np.floor(corner.max(axis=0)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        sides = [
            (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) > 1e-4
            for p, q in zip(corner, np.roll(corner, -1, axis=0), strict=True)
        ]
        count[low[1] : high[1] + 1, low[0] : high[0] + 1] += sides[0] & sides[1] & sides[2]
    return count


def _check(model: HeadModel) -> None:
    uv, uv_faces = _uv(model)
    assert uv.min() >= 0.0
    assert uv.max() <= 1.0
    # Each coordinate is used, and by one vertex only: so the corners are in the order of `faces`.
    pairs = np.unique(np.stack([uv_faces.ravel(), model.faces.ravel()], axis=1), axis=0)
    assert len(pairs) == len(uv)
    assert (_doubled_areas(model) > 0).all()
    covered = _covered(model)
    assert covered.max() == 1
    assert covered.mean() > 0.35


def test_a_model_with_coordinates_stays_as_it_is(cache: Path) -> None:
    assert unwrapped(_prior()) is _prior()
    assert not cache.exists()


def test_made_mesh() -> None:
    _check(unwrapped(_two_balls()))


@pytest.mark.skipif(not _FLAME.exists(), reason="FLAME 2023 Open is not beside the project")
def test_flame_in_few_large_charts_of_little_stretch() -> None:
    model = unwrapped(read_head_model(_FLAME))
    _check(model)
    corners = model.v_template[model.faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    uv, uv_faces = _uv(model)
    labels = _charts(uv_faces, len(uv))
    largest = np.sort(np.bincount(labels, weights=areas))[::-1]
    assert largest[:8].sum() > 0.75 * areas.sum()
    scale = np.sqrt(_doubled_areas(model) / areas)
    low, middle, high = np.percentile(scale, [1, 50, 99])
    assert low > 0.8 * middle
    assert high < 1.35 * middle
    # Both directions of a triangle are stretched alike, because the map is nearly conformal.
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    flat = uv[uv_faces].astype(np.float64)
    stretch = np.linalg.norm(flat - np.roll(flat, -1, axis=1), axis=2) / sides
    assert np.median(stretch.max(axis=1) / stretch.min(axis=1)) < 1.1


def _charts(uv_faces: np.ndarray, count: int) -> np.ndarray:
    """For each triangle the smallest coordinate that it is connected with."""
    lowest = np.arange(count)
    while True:
        of_face = lowest[uv_faces].min(axis=1)
        spread = lowest.copy()
        np.minimum.at(spread, uv_faces.ravel(), np.repeat(of_face, 3))
        if (spread == lowest).all():
            return of_face
        lowest = spread


def test_same_mesh_same_coordinates(cache: Path) -> None:
    one = unwrapped(_two_balls())
    (file,) = cache.iterdir()
    file.unlink()
    again = unwrapped(_two_balls())
    np.testing.assert_array_equal(one.uv, again.uv)
    np.testing.assert_array_equal(one.uv_faces, again.uv_faces)


def test_degenerate_and_duplicate_triangles_keep_their_place() -> None:
    sound = _two_balls()
    faces, vertices = sound.faces, sound.v_template
    first, count = faces[0], np.int32(len(vertices))
    odd = np.array(
        [
            [first[0], first[0], first[1]],  # two corners in one
            first[[1, 2, 0]],  # the first triangle once more, begun elsewhere
            first[[0, 2, 1]],  # and backwards
            [count, count + 1, count + 2],  # three points on a line
        ],
        dtype=np.int32,
    )
    line = np.array([[0, 0, 90], [0, 0, 91], [0, 0, 92]], dtype=np.float32)
    mixed = np.concatenate([odd[:2], faces[:5], odd[2:], faces[5:]])
    model = unwrapped(bare(sound, np.concatenate([vertices, line]), mixed))
    uv, uv_faces = _uv(model)
    pairs = np.unique(np.stack([uv_faces.ravel(), mixed.ravel()], axis=1), axis=0)
    assert len(pairs) == len(uv)
    areas = _doubled_areas(model)
    kept = np.r_[2:7, 9 : len(mixed)]
    assert (areas[kept] > 0).all()
    assert areas[1] == pytest.approx(areas[2])
    assert areas[7] == pytest.approx(-areas[2])
    np.testing.assert_array_equal(np.sort(uv_faces[[1, 7]], axis=1), np.sort(uv_faces[[2, 2]], axis=1))


def test_nothing_but_degenerate_triangles() -> None:
    vertices = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2]], dtype=np.float32)
    model = unwrapped(bare(_prior(), vertices, np.array([[0, 1, 2], [0, 0, 1]], dtype=np.int32)))
    assert _uv(model)[1].shape == (2, 3)


def test_cache_is_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = unwrapped(_two_balls())
    assert len(list(cache.iterdir())) == 1

    def never(*_: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(module, "_unwrap", never)
    again = unwrapped(_two_balls())
    np.testing.assert_array_equal(one.uv, again.uv)
    np.testing.assert_array_equal(one.uv_faces, again.uv_faces)
    moved = _two_balls().v_template.copy()
    moved[3, 2] += 1.0
    with pytest.raises(AssertionError, match="made anew"):
        unwrapped(bare(_prior(), moved, _two_balls().faces))


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other shape", "other mesh", "out of range", "folder"])
def test_damaged_cache_is_made_anew(cache: Path, damage: str) -> None:
    one = unwrapped(_two_balls())
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    uv, uv_faces = _uv(one)
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "noise":
            file.write_bytes(bytes(len(whole)))
        case "other shape":
            np.savez(file, uv=uv, uv_faces=uv_faces[:-1])
        case "other mesh":
            np.savez(file, uv=uv, uv_faces=uv_faces[::-1])
        case "out of range":
            np.savez(file, uv=uv * 2, uv_faces=uv_faces)
        case "folder":
            file.unlink()
            file.mkdir()
    again = unwrapped(_two_balls())
    np.testing.assert_array_equal(one.uv, again.uv)
    np.testing.assert_array_equal(one.uv_faces, again.uv_faces)
    if damage != "folder":
        with np.load(file) as restored:
            np.testing.assert_array_equal(restored["uv_faces"], uv_faces)


def test_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "file"))
    assert unwrapped(_two_balls()).uv is not None


def test_relative_cache_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    unwrapped(_two_balls())
    assert not (tmp_path / "here").exists()
    assert len(list((tmp_path / "home/.cache/flame_jax/uv").iterdir())) == 1

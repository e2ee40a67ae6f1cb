"""Landmark embeddings: every published form reads the same; hostile and damaged ones are refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from flame_jax.errors import InputError
from flame_jax.landmark_embedding import (
    ContourEmbedding,
    LandmarkEmbedding,
    LandmarkEmbeddings,
)
from flame_jax.landmark_file import read_landmark_embeddings, write_landmark_embeddings
from flame_jax.model_file import read_head_model, write_head_model
from tests.flame_made import flame_parts, write_npz
from tests.landmarks_made import (
    combined_landmark_npy,
    dynamic_landmark_npy,
    landmark_parts,
    object_npy,
    static_landmark_pickle,
)

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"
_MEDIAPIPE = ("lmk_face_idx", "lmk_b_coords", "landmark_indices")


def _expect(
    embedding: LandmarkEmbedding | ContourEmbedding | None, parts: dict[str, np.ndarray], names: tuple[str, str]
) -> None:
    assert embedding is not None
    np.testing.assert_array_equal(embedding.face_idx, parts[names[0]].squeeze())
    np.testing.assert_array_equal(embedding.b_coords, parts[names[1]].squeeze().astype(np.float32))
    assert embedding.face_idx.dtype == np.int32


@pytest.mark.parametrize("protocol", range(3))
def test_static_pickle_of_python_2(tmp_path: Path, protocol: int) -> None:
    parts = landmark_parts()
    (tmp_path / "flame_static_embedding.pkl").write_bytes(static_landmark_pickle(parts, protocol))
    found = read_landmark_embeddings(tmp_path / "flame_static_embedding.pkl")
    _expect(found.static, parts, ("static_lmk_faces_idx", "static_lmk_bary_coords"))
    assert (found.contour, found.full, found.mediapipe) == (None, None, None)
    assert found.static is not None
    assert found.static.landmark_indices is None
    assert found.static.name == "flame_static_embedding"


def test_dynamic_npy(tmp_path: Path) -> None:
    parts = landmark_parts()
    (tmp_path / "a.npy").write_bytes(dynamic_landmark_npy(parts))
    found = read_landmark_embeddings(tmp_path / "a.npy")
    _expect(found.contour, parts, ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords"))
    assert found.static is None


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_combined_npy_with_tensors(tmp_path: Path, protocol: int, dtype: type[np.floating]) -> None:
    parts = landmark_parts()
    parts["dynamic_lmk_bary_coords"] = parts["dynamic_lmk_bary_coords"].astype(dtype)
    content = combined_landmark_npy(parts, protocol)
    assert b"_rebuild_tensor_v2" in content
    (tmp_path / "landmark_embedding.npy").write_bytes(content)
    found = read_landmark_embeddings(tmp_path / "landmark_embedding.npy")
    _expect(found.static, parts, ("static_lmk_faces_idx", "static_lmk_bary_coords"))
    _expect(found.contour, parts, ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords"))
    _expect(found.full, parts, ("full_lmk_faces_idx", "full_lmk_bary_coords"))
    assert found.mediapipe is None


def test_a_tensor_that_is_a_view_is_read_by_its_strides(tmp_path: Path) -> None:
    parts = landmark_parts()
    content = parts | {"dynamic_lmk_faces_idx": parts["dynamic_lmk_faces_idx"].T.copy().T}
    (tmp_path / "a.npy").write_bytes(combined_landmark_npy(content))
    stored = content["dynamic_lmk_faces_idx"].ravel()
    found = read_landmark_embeddings(tmp_path / "a.npy").contour
    assert found is not None
    # The maker stores the numbers in C order but writes Fortran strides, so row i is every 79th number from i.
    np.testing.assert_array_equal(found.face_idx, [[stored[i + 79 * j] for j in range(17)] for i in range(79)])


def test_mediapipe_npz_and_round_trip(tmp_path: Path) -> None:
    parts = landmark_parts()
    write_npz(tmp_path / "mediapipe.npz", {name: parts[name] for name in _MEDIAPIPE})
    (tmp_path / "all.npy").write_bytes(combined_landmark_npy(parts))
    found = read_landmark_embeddings(tmp_path / "mediapipe.npz", tmp_path / "all.npy")
    _expect(found.mediapipe, parts, ("lmk_face_idx", "lmk_b_coords"))
    assert found.mediapipe is not None
    np.testing.assert_array_equal(found.mediapipe.landmark_indices, parts["landmark_indices"])
    write_landmark_embeddings(tmp_path / "new.npz", found)
    again = read_landmark_embeddings(tmp_path / "new.npz")
    for key in ("static", "contour", "full", "mediapipe"):
        for name, value in vars(getattr(found, key)).items():
            if name != "name":
                np.testing.assert_array_equal(getattr(getattr(again, key), name), value, err_msg=f"{key}.{name}")
    write_landmark_embeddings(tmp_path / "some.npz", LandmarkEmbeddings(contour=found.contour))
    some = read_landmark_embeddings(tmp_path / "some.npz")
    assert some.contour is not None
    assert (some.static, some.full, some.mediapipe) == (None, None, None)


def test_a_set_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(static_landmark_pickle(landmark_parts()))
    (tmp_path / "b.npy").write_bytes(combined_landmark_npy(landmark_parts()))
    with pytest.raises(InputError, match=r"b\.npy: it has static landmarks, as a file before it"):
        read_landmark_embeddings(tmp_path / "a.pkl", tmp_path / "b.npy")


def test_writing_refuses_other_names_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npy: landmark embeddings are written as \.npz"):
        write_landmark_embeddings(tmp_path / "a.npy", LandmarkEmbeddings())
    with pytest.raises(InputError, match=r"a\.npz: there are no landmarks to write"):
        write_landmark_embeddings(tmp_path / "a.npz", LandmarkEmbeddings())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lmk_b_coords": np.full((105, 3), 0.5)}, "do not sum to 1"),
        ({"lmk_b_coords": np.full((105, 3), np.nan)}, "do not sum to 1"),
        ({"lmk_b_coords": np.full((104, 3), 1 / 3)}, r"triangles of shape \(105,\)"),
        ({"lmk_b_coords": np.array(["a"])}, "lmk_b_coords: it is not an array of numbers"),
        ({"lmk_face_idx": np.full(105, -1)}, "negative number"),
        ({"lmk_face_idx": np.full(105, 0.5)}, "lmk_face_idx: it is not an array of indices"),
        ({"lmk_face_idx": np.full(105, 2**40)}, "lmk_face_idx: it is not an array of indices"),
        ({"lmk_face_idx": np.zeros((105, 0), int)}, "lmk_face_idx: it is not an array of indices"),
        ({"landmark_indices": np.arange(7)}, "7 landmark indices for 105 landmarks"),
        ({"static_lmk_faces_idx": np.arange(51)}, "it has no static_lmk_bary_coords"),
        (
            {"static_lmk_faces_idx": np.arange(9), "static_lmk_bary_coords": np.full((9, 3), 1 / 3)},
            "9 landmarks, not 51",
        ),
        (
            {"dynamic_lmk_faces_idx": np.zeros((8, 17), int), "dynamic_lmk_bary_coords": np.full((8, 17, 3), 1 / 3)},
            "a contour for 8 turns",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    parts = {name: landmark_parts()[name] for name in _MEDIAPIPE} | changed
    with pytest.raises(InputError, match=message) as caught:
        read_landmark_embeddings(write_npz(tmp_path / "a.npz", parts))
    _expect_one_line(caught.value, tmp_path / "a.npz")


def test_unknown_sets_are_refused(tmp_path: Path) -> None:
    parts = {"lmk_face_idx": np.arange(7), "lmk_b_coords": np.full((7, 3), 1 / 3)}
    with pytest.raises(InputError, match="does not say which 7 landmarks"):
        read_landmark_embeddings(write_npz(tmp_path / "a.npz", parts))
    with pytest.raises(InputError, match="it has no landmarks"):
        read_landmark_embeddings(write_npz(tmp_path / "b.npz", flame_parts()))


class _Hostile:
    def __init__(self, argument: str):
        self.call = (os.system, (argument,))

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_calls_are_refused_and_never_made(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    content = {"lmk_face_idx": _Hostile(f"touch {mark}"), "lmk_b_coords": 0}
    (tmp_path / "a.npy").write_bytes(object_npy(content, protocol))
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(content, protocol))
    np.savez(tmp_path / "c.npz", lmk_face_idx=np.array(content, dtype=object), lmk_b_coords=0)
    for name in ("a.npy", "b.pkl", "c.npz"):
        with pytest.raises(InputError, match=r"it refers to \w+\.system, .*nothing was run"):
            read_landmark_embeddings(tmp_path / name)
    assert not mark.exists()


def test_pickles_within_a_tensor_are_inert_too(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = combined_landmark_npy(landmark_parts())
    call = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    start = content.index(b"\x80\x02\x8a\x0al\xfc\x9cF")
    (tmp_path / "a.npy").write_bytes(content[:start] + call + content[start + len(call) :])
    with pytest.raises(InputError, match=r"dynamic_lmk_faces_idx: it refers to os\.system, .*nothing was run"):
        read_landmark_embeddings(tmp_path / "a.npy")
    # Nor may the storage load what it likes: a storage within a storage is no storage.
    nested = b"ctorch.storage\n_load_from_bytes\n."
    (tmp_path / "b.npy").write_bytes(content[:start] + nested + content[start + len(nested) :])
    with pytest.raises(InputError, match=r"it refers to torch\.storage\._load_from_bytes"):
        read_landmark_embeddings(tmp_path / "b.npy")
    assert not mark.exists()


def test_a_tensor_that_reaches_outside_of_its_storage_is_refused(tmp_path: Path) -> None:
    content = combined_landmark_npy(landmark_parts(), 2)
    place = content.rindex(b"K\x00KOK\x11K\x03\x87")
    (tmp_path / "a.npy").write_bytes(content[: place + 1] + b"\x01" + content[place + 2 :])
    with pytest.raises(InputError, match="dynamic_lmk_bary_coords: an array with a damaged shape"):
        read_landmark_embeddings(tmp_path / "a.npy")


def test_arrays_of_several_objects_and_other_versions_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    _refused(tmp_path / "a.npy", "an array of Python objects")
    np.save(tmp_path / "b.npy", np.arange(3))
    _refused(tmp_path / "b.npy", "no dictionary of named arrays")
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY\x09\x00")
    _refused(tmp_path / "c.npy", "unknown .npy version")
    (tmp_path / "d.npy").write_bytes(b"")
    _refused(tmp_path / "d.npy", "it is empty")
    _refused(tmp_path / "none.npy", "cannot be read")
    _refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("innermost", [b"(l", b"(lI1\na"])
def test_lists_that_repeat_each_other_are_refused(tmp_path: Path, innermost: bytes) -> None:
    # Ten lists of ten of the lists before, on each of fourteen levels: a petabyte in two kilobytes.
    content = innermost + b"p0\n0"
    for level in range(1, 15):
        content += b"(" + b"g%d\n" % (level - 1) * 10 + b"lp%d\n0" % level
    (tmp_path / "a.pkl").write_bytes(b"(dS'lmk_face_idx'\n" + content + b"g14\nsS'lmk_b_coords'\nI1\ns.")
    _refused(tmp_path / "a.pkl", "not of one shape, or too long")


def test_an_array_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lmk_face_idx.npy", bytes(10))
        archive.filelist[0].file_size = 1 << 31
    _refused(tmp_path / "a.npz", "lmk_face_idx: it would take 2147483648 bytes")


def _small_files(tmp_path: Path) -> list[bytes]:
    parts = landmark_parts()
    npz = write_npz(tmp_path / "small.npz", {name: parts[name] for name in _MEDIAPIPE}).read_bytes()
    return [npz, static_landmark_pickle(parts), dynamic_landmark_npy(parts), combined_landmark_npy(parts)]


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    for content in _small_files(tmp_path):
        for length in np.linspace(0, len(content) - 1, 25).astype(int):
            (tmp_path / "a").write_bytes(content[:length])
            _refused(tmp_path / "a")


@pytest.mark.parametrize("flips", [1, 30])
def test_damaged_files_are_read_or_refused(tmp_path: Path, flips: int) -> None:
    rng = np.random.default_rng(flips)
    refused = 0
    for content in _small_files(tmp_path):
        # Half of the damage falls on the beginning, where the structure is.
        for limit in [len(content), 600] * 20:
            damaged = bytearray(content)
            for place in rng.integers(0, limit, flips):
                damaged[place] = rng.integers(256)
            (tmp_path / "a").write_bytes(damaged)
            try:
                read_landmark_embeddings(tmp_path / "a")
            except InputError as error:
                _expect_one_line(error, tmp_path / "a")
                refused += 1
    assert refused > 20


@pytest.mark.skipif(not _SHARED.exists(), reason="FLAME 2023 Open's extract does not lie beside the project")
def test_mediapipe_of_the_open_extract(tmp_path: Path) -> None:
    model = read_head_model(_SHARED).in_millimetres()
    embedding = read_landmark_embeddings(_SHARED).mediapipe
    assert embedding is not None
    assert embedding.landmark_indices is not None
    np.testing.assert_array_equal(embedding.landmark_indices, model.landmark_indices)
    points = np.einsum("lc,lcd->ld", embedding.b_coords, model.v_template[embedding.corners(model)])
    by_index = dict(zip(embedding.landmark_indices.tolist(), points, strict=True))
    # MediaPipe's 4 is the tip of the nose, 33 and 263 are the outer canthi of right and left eye, 13 and 14 the lips.
    assert by_index[4][2] == points[:, 2].max()
    assert 70 < by_index[263][0] - by_index[33][0] < 110
    assert by_index[13][1] > by_index[14][1] > by_index[17][1]
    write_head_model(tmp_path / "a.npz", model)
    np.testing.assert_array_equal(read_head_model(tmp_path / "a.npz").landmark_indices, model.landmark_indices)


def _refused(path: Path, message: str | None = None) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_landmark_embeddings(path)
    _expect_one_line(caught.value, path)


def _expect_one_line(error: InputError, path: Path) -> None:
    message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "give FLAME's flame_static_embedding.pkl" in message
    assert len(message) < 400 + len(str(path))

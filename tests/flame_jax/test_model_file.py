"""Head model files: every form that FLAME has come in reads the same; damaged and hostile ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from flame_jax import InputError, read_head_model, write_head_model
from flame_jax.model import HeadModel
from tests.flame_made import chumpy_pickle, flame_parts, plain_pickle, write_npz

_SHARED = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"


def _expect_flame(model: HeadModel, parts: dict[str, np.ndarray], dtype: type[np.floating] = np.float32) -> None:
    np.testing.assert_array_equal(model.v_template, parts["v_template"].astype(dtype))
    np.testing.assert_array_equal(model.shapedirs, parts["shapedirs"][:, :, :300].astype(dtype))
    assert model.exprdirs is not None
    np.testing.assert_array_equal(model.exprdirs, parts["shapedirs"][:, :, 300:].astype(dtype))
    np.testing.assert_array_equal(model.posedirs, parts["posedirs"].astype(dtype))
    np.testing.assert_array_equal(model.j_regressor, parts["J_regressor"].astype(dtype))
    np.testing.assert_array_equal(model.lbs_weights, parts["weights"].astype(dtype))
    np.testing.assert_array_equal(model.kintree_parents, [-1, 0, 1, 1, 1])
    np.testing.assert_array_equal(model.faces, parts["f"])
    assert model.v_template.dtype == dtype
    assert model.faces.dtype == np.int32


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    parts = flame_parts()
    (tmp_path / "flame.pkl").write_bytes(plain_pickle(parts, protocol))
    _expect_flame(read_head_model(tmp_path / "flame.pkl"), parts)


@pytest.mark.parametrize("protocol", range(3))
def test_python_2_pickles_with_chumpy(tmp_path: Path, protocol: int) -> None:
    parts = flame_parts()
    content = chumpy_pickle(parts, protocol)
    assert b"chumpy.ch" in content
    assert b"scipy.sparse.csc\ncsc_matrix" in content
    (tmp_path / "flame.pkl").write_bytes(content)
    _expect_flame(read_head_model(tmp_path / "flame.pkl", dtype=np.float64), parts, np.float64)


def test_full_size_and_npz(tmp_path: Path) -> None:
    parts = flame_parts(5023)
    (tmp_path / "flame.pkl").write_bytes(chumpy_pickle(parts))
    model = read_head_model(tmp_path / "flame.pkl")
    _expect_flame(model, parts)
    again = read_head_model(write_npz(tmp_path / "flame.npz", parts))
    _expect_flame(again, parts)
    assert again.name == "flame"


def test_round_trip(tmp_path: Path) -> None:
    read = read_head_model(write_npz(tmp_path / "a.npz", flame_parts()))
    model = HeadModel(
        **{key: value for key, value in vars(read).items() if key not in ("credit", "lmk_face_idx", "lmk_b_coords")},
        lmk_face_idx=np.array([3, 5], np.int32),
        lmk_b_coords=np.full((2, 3), 1 / 3, np.float32),
        credit="Somebody, CC BY 4.0 – ünïcode",
    ).in_millimetres()
    write_head_model(tmp_path / "b.npz", model)
    again = read_head_model(tmp_path / "b.npz")
    for key, value in vars(model).items():
        np.testing.assert_array_equal(getattr(again, key), value, err_msg=key)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_writing_refuses_other_names_and_folders(tmp_path: Path) -> None:
    model = read_head_model(write_npz(tmp_path / "a.npz", flame_parts()))
    with pytest.raises(InputError, match=r"b\.pkl: head models are written as \.npz"):
        write_head_model(tmp_path / "b.pkl", model)
    (tmp_path / "c.npz").mkdir()
    with pytest.raises(InputError, match=r"c\.npz: is a folder"):
        write_head_model(tmp_path / "c.npz", model)


def test_identity_only_parts_stay_absent(tmp_path: Path) -> None:
    parts = flame_parts()
    kept = {"v_template": parts["v_template"], "shapedirs": parts["shapedirs"][:, :, :60], "faces": parts["f"]}
    model = read_head_model(write_npz(tmp_path / "a.npz", kept))
    assert model.shapedirs.shape[2] == 60
    for part in ("exprdirs", "posedirs", "j_regressor", "kintree_parents", "lbs_weights", "lmk_face_idx", "uv"):
        assert getattr(model, part) is None


def _smplx_parts(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    renamed = {"J_regressor": parts["J_regressor"], "v_template": parts["v_template"], "lbs_weights": parts["weights"]}
    return renamed | {
        "faces_tensor": parts["f"].astype(np.int64),
        "parents": np.array([-1, 0, 1, 1, 1]),
        "shapedirs": parts["shapedirs"][:, :, :300],
        "expr_dirs": parts["shapedirs"][:, :, 300:],
        "posedirs": parts["posedirs"].reshape(-1, 36).T,
        "lmk_faces_idx": np.array([3, 5]),
        "lmk_bary_coords": np.full((2, 3), 1 / 3),
    }


def test_buffers_of_smplx(tmp_path: Path) -> None:
    parts = flame_parts()
    model = read_head_model(write_npz(tmp_path / "a.npz", _smplx_parts(parts)))
    _expect_flame(model, parts)
    np.testing.assert_array_equal(model.lmk_face_idx, [3, 5])
    np.testing.assert_array_equal(model.lmk_b_coords, np.full((2, 3), 1 / 3, np.float32))
    assert read_head_model(tmp_path / "a.npz", identities=300).shapedirs.shape[2] == 300
    with pytest.raises(InputError, match="keeps 300 identity components apart from expressions, not 100"):
        read_head_model(tmp_path / "a.npz", identities=100)


def test_npz_of_a_pickles_content(tmp_path: Path) -> None:
    # `np.savez(path, **pickle.load(...))` puts the sparse regressor into an array of one object.
    parts = flame_parts()
    sparse = np.empty((), dtype=object)
    sparse[()] = scipy.sparse.csc_matrix(parts["J_regressor"])
    content = parts | {"J_regressor": sparse, "bs_style": np.array("lbs"), "bs_type": np.array("lrotmin")}
    _expect_flame(read_head_model(write_npz(tmp_path / "a.npz", content)), parts)
    several = parts | {"J_regressor": np.array([{}, {}], dtype=object)}
    with pytest.raises(InputError, match="J_regressor: an array of Python objects"):
        read_head_model(write_npz(tmp_path / "b.npz", several))
    # What is no part of a head model is not looked at.
    _expect_flame(read_head_model(write_npz(tmp_path / "c.npz", parts | {"other": several["J_regressor"]})), parts)


def test_texture_coordinates_by_vertex_and_by_corner(tmp_path: Path) -> None:
    parts = flame_parts()
    uv = np.random.default_rng(0).random((42, 2))
    model = read_head_model(write_npz(tmp_path / "a.npz", parts | {"vt": uv, "ft": parts["f"][::-1]}))
    np.testing.assert_array_equal(model.uv, uv.astype(np.float32))
    np.testing.assert_array_equal(model.uv_faces, parts["f"][::-1])
    np.testing.assert_array_equal(
        read_head_model(write_npz(tmp_path / "b.npz", parts | {"uv": uv})).uv_faces, parts["f"]
    )
    without = read_head_model(write_npz(tmp_path / "c.npz", parts | {"vt": uv[:40]}))
    assert (without.uv, without.uv_faces) == (None, None)


def test_landmark_indices_and_names_are_kept(tmp_path: Path) -> None:
    parts = flame_parts()
    added = {
        "lmk_face_idx": np.array([3, 5]),
        "lmk_b_coords": np.full((2, 3), 1 / 3),
        "landmark_indices": np.array([13, 14]),
        "expression_names": np.array([f"mode {i}" for i in range(100)]),
        "materials": np.arange(40) % 2,
        "material_names": np.array(["skin", "eyes – ünïcode"]),
    }
    model = read_head_model(write_npz(tmp_path / "a.npz", parts | added))
    np.testing.assert_array_equal(model.landmark_indices, [13, 14])
    assert model.expression_names[99] == "mode 99"
    assert model.material_names == ("skin", "eyes – ünïcode")
    write_head_model(tmp_path / "b.npz", model)
    again = read_head_model(tmp_path / "b.npz")
    for key, value in vars(model).items():
        np.testing.assert_array_equal(getattr(again, key), value, err_msg=key)
    wrong: list[tuple[dict[str, np.ndarray], str]] = [
        ({"landmark_indices": np.arange(3)}, "landmark_indices is 3, not 2"),
        ({"expression_names": np.array(["a"])}, "expression_names has 1 names"),
        ({"material_names": np.array(["a"])}, "materials points outside the 1"),
        ({"materials": np.arange(3)}, "materials is 3, not 40"),
        ({"name": np.arange(3)}, "name is not a text"),
    ]
    for changed, message in wrong:
        with pytest.raises(InputError, match=message):
            read_head_model(write_npz(tmp_path / "c.npz", parts | added | changed))


def test_components_are_split_as_told(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", flame_parts())
    assert read_head_model(path, identities=400).exprdirs is None
    model = read_head_model(path, identities=10)
    assert model.exprdirs is not None
    assert (model.shapedirs.shape[2], model.exprdirs.shape[2]) == (10, 390)
    with pytest.raises(InputError, match="401 of them"):
        read_head_model(path, identities=401)


def test_unit(tmp_path: Path) -> None:
    parts = flame_parts()
    path = write_npz(tmp_path / "a.npz", parts | {"v_template": 1000 * parts["v_template"]})
    with pytest.raises(InputError, match="its unit is not 1 m"):
        read_head_model(path)
    assert read_head_model(path, metres_per_unit=0.001).metres_per_unit == 0.001


@pytest.mark.skipif(not _SHARED.exists(), reason="FLAME 2023 Open's extract does not lie beside the project")
def test_open_extract() -> None:
    model = read_head_model(_SHARED)
    assert model.v_template.shape == (5023, 3)
    assert model.shapedirs.shape == (5023, 3, 60)
    assert model.lmk_b_coords is not None
    assert model.lmk_b_coords.shape == (105, 3)
    assert model.exprdirs is None
    assert 200 < np.ptp(model.in_millimetres().v_template, axis=0).max() < 400

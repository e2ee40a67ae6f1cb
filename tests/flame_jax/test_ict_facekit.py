"""ICT-FaceKit reads into a head model, the same from its arrays and from the folder that it is published as."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from flame_jax.errors import InputError
from flame_jax.flame import Flame
from flame_jax.model import HeadModel
from flame_jax.model_file import read_head_model, write_head_model
from tests.facekit_made import facekit_arrays, write_facekit_folder
from tests.flame_made import write_npz

_SHARED = Path(__file__).parents[3] / "shared/data/ict_facekit/ict_facekit.npz"
_NEEDS_SHARED = pytest.mark.skipif(not _SHARED.exists(), reason="ICT-FaceKit does not lie beside the project")


def _expect_same(model: HeadModel, other: HeadModel, tolerance: float = 0) -> None:
    for key, value in vars(other).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(getattr(model, key), value, rtol=0, atol=tolerance, err_msg=key)
        else:
            np.testing.assert_array_equal(getattr(model, key), value, err_msg=key)


def test_npz(tmp_path: Path) -> None:
    arrays = facekit_arrays()
    model = read_head_model(write_npz(tmp_path / "a.npz", arrays))
    np.testing.assert_array_equal(model.v_template, arrays["vertices"])
    assert model.exprdirs is not None
    for number in range(3):
        np.testing.assert_array_equal(model.shapedirs[:, :, number], arrays["identity"][number])
    for number in range(2):
        np.testing.assert_array_equal(model.exprdirs[:, :, number], arrays["expression"][number])
    assert model.metres_per_unit == 0.01
    assert model.expression_names == ("PupilDilate_L", "jawOpen")
    assert model.material_names == ("M_Face", "M_Teeth")
    assert model.name == "ICT-FaceKit"
    assert "MIT License" in model.credit
    assert (model.j_regressor, model.lbs_weights, model.posedirs, model.lmk_face_idx) == (None,) * 4


def test_quads_are_split_along_the_shorter_diagonal(tmp_path: Path) -> None:
    arrays = facekit_arrays()
    model = read_head_model(write_npz(tmp_path / "a.npz", arrays))
    assert len(model.faces) == 2 * len(arrays["quads"]) - 1
    assert model.uv_faces is not None
    assert model.materials is not None
    row = 0
    both_ways = set()
    for quad, quad_uv, material in zip(arrays["quads"], arrays["quads_uv"], arrays["material"], strict=True):
        count = 1 if quad[3] < 0 else 2
        triangles, uv = model.faces[row : row + count], model.uv_faces[row : row + count]
        # The texture's corners are those of the vertices, whichever way the quad was split.
        to_uv = dict(zip(quad.tolist(), quad_uv.tolist(), strict=True))
        assert [[to_uv[corner] for corner in triangle] for triangle in triangles.tolist()] == uv.tolist()
        assert (model.materials[row : row + count] == material).all()
        if count == 1:
            assert triangles.tolist() == [quad[:3].tolist()]
        else:
            shared = [corner for corner in quad if (triangles == corner).sum() == 2]
            other = [corner for corner in quad if (triangles == corner).sum() == 1]
            points = arrays["vertices"].astype(np.float64)
            assert np.linalg.norm(np.diff(points[shared], axis=0)) <= np.linalg.norm(np.diff(points[other], axis=0))
            both_ways.add(quad.tolist().index(shared[0]) % 2)
            # Both turn as the quad did.
            edges = {(quad[i], quad[(i + 1) % 4]) for i in range(4)}
            turns = {(triangle[i], triangle[(i + 1) % 3]) for triangle in triangles for i in range(3)}
            assert edges <= turns
        row += count
    assert row == len(model.faces)
    assert both_ways == {0, 1}


def test_the_published_folder_is_the_same(tmp_path: Path) -> None:
    arrays = facekit_arrays()
    expected = read_head_model(write_npz(tmp_path / "a.npz", arrays))
    folder = write_facekit_folder(tmp_path / "kit/FaceXModel", arrays)
    _expect_same(read_head_model(folder), expected, tolerance=2e-6)
    # The folder around it, as the repository is cloned.
    _expect_same(read_head_model(tmp_path / "kit"), expected, tolerance=2e-6)
    # Older releases have no list: every other mesh is an expression.
    (folder / "vertex_indices.json").unlink()
    _expect_same(read_head_model(folder), expected, tolerance=2e-6)


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    model = read_head_model(write_npz(tmp_path / "a.npz", facekit_arrays()))
    write_head_model(tmp_path / "b.npz", model)
    _expect_same(read_head_model(tmp_path / "b.npz"), model)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as archive:
        assert archive["expression_names"].dtype.kind == "U"
    kept = {key: value for key, value in vars(model).items() if "expr" not in key}
    write_head_model(tmp_path / "c.npz", HeadModel(**kept))
    assert read_head_model(tmp_path / "c.npz").expression_names == ()


def test_without_its_optional_arrays(tmp_path: Path) -> None:
    arrays = {key: facekit_arrays()[key] for key in ("vertices", "identity", "quads")}
    model = read_head_model(write_npz(tmp_path / "a.npz", arrays))
    assert (model.exprdirs, model.uv, model.uv_faces, model.materials) == (None,) * 4
    assert (model.expression_names, model.material_names) == ((), ())
    with pytest.raises(InputError, match="has no expressions, only identity"):
        Flame.of(model).shaped().posed(expression=np.zeros(2, np.float32))


def test_expressions_and_identities_add_up(tmp_path: Path) -> None:
    arrays = facekit_arrays()
    model = read_head_model(write_npz(tmp_path / "a.npz", arrays), dtype=np.float64)
    betas, weights = np.array([0.5, -1.0, 2.0]), np.array([0.25, 1.0])
    with jax.enable_x64(True):
        vertices = Flame.of(model, dtype=np.float64).shaped(betas).posed(expression=weights).vertices
    expected = arrays["vertices"].astype(np.float64)
    expected = expected + np.tensordot(betas, arrays["identity"].astype(np.float64), 1)
    expected = expected + np.tensordot(weights, arrays["expression"].astype(np.float64), 1)
    np.testing.assert_allclose(vertices, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vertices": np.zeros((54, 2))}, "vertices is 54 x 2, not any x 3"),
        ({"identity": np.zeros((3, 53, 3))}, "identity is 3 x 53 x 3, not any x 54 x 3"),
        ({"expression": np.array(["a"])}, "expression is not an array of numbers"),
        ({"expression": np.full((2, 54, 3), np.inf)}, "exprdirs has numbers that are not finite"),
        ({"expression_names": np.array(["a"])}, "expression_names has 1 names"),
        ({"expression_names": np.arange(2)}, "expression_names is not a list of names"),
        ({"quads": np.full((40, 4), 54)}, "quads points outside the 54"),
        ({"quads": np.full((40, 4), -1)}, "quads points outside the 54"),
        ({"quads": np.zeros((40, 4))}, "quads is not an array of indices"),
        ({"quads": np.zeros((0, 4), int)}, "quads is not an array of indices"),
        ({"quads_uv": np.zeros((40, 4), int)}, "quads_uv has triangles where quads has none"),
        ({"quads_uv": np.zeros((39, 4), int)}, "quads_uv is 39 x 4, not 40 x 4"),
        ({"uv": np.zeros((3, 2))}, "quads_uv points outside the 3"),
        ({"material": np.full(40, 2)}, "materials points outside the 2"),
        ({"material": np.zeros(7, int)}, "material is 7, not 40"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_head_model(write_npz(tmp_path / "a.npz", facekit_arrays() | changed))
    _expect_one_line(caught.value, tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("generic_neutral_mesh.obj", None, "a folder without generic_neutral_mesh.obj"),
        ("generic_neutral_mesh.obj", "", "generic_neutral_mesh.obj: it has no vertices or no faces"),
        ("generic_neutral_mesh.obj", "v 1 2\n", "generic_neutral_mesh.obj: a point of 2 numbers"),
        ("generic_neutral_mesh.obj", "v 1 2 x\n", "generic_neutral_mesh.obj: could not convert"),
        ("generic_neutral_mesh.obj", "v 1 2 3\nf 1 1 2\n", "generic_neutral_mesh.obj: a face refers to what"),
        ("generic_neutral_mesh.obj", "v 1 2 3\nf 1 1 0\n", "generic_neutral_mesh.obj: a face refers to what"),
        ("generic_neutral_mesh.obj", "v 1 2 3\nf 1 1 1 1 1\n", "generic_neutral_mesh.obj: a face of 5 corners"),
        ("identity001.obj", "v 1 2 3\n", r"identity001\.obj: it has 1 vertices, not the neutral's 54"),
        ("identity002.obj", "v 1 2 nan\n" * 54, "shapedirs has numbers that are not finite"),
        ("jawOpen.obj", None, r"vertex_indices\.json: it lists the expression 'jawOpen', but there is no such"),
        ("jawOpen.obj", "v a b c\n" * 54, r"jawOpen\.obj: could not convert"),
        ("jawOpen.obj", "v 1 2\n" * 54, r"jawOpen\.obj: "),
        ("vertex_indices.json", "{", r"vertex_indices\.json: "),
        ("vertex_indices.json", "[]", r"vertex_indices\.json: it has no list of expressions"),
        (
            "vertex_indices.json",
            json.dumps({"expressions": ["../../etc/x"]}),
            r"vertex_indices\.json: it lists the expression '\.\./\.\./etc/x', but there is no such",
        ),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    folder = write_facekit_folder(tmp_path / "kit", facekit_arrays())
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_head_model(folder)
    _expect_one_line(caught.value, folder)


def test_other_spellings_of_obj(tmp_path: Path) -> None:
    folder = write_facekit_folder(tmp_path / "kit", facekit_arrays())
    expected = read_head_model(folder)
    lines = (folder / "generic_neutral_mesh.obj").read_text().splitlines()
    changed = []
    for line in lines:
        if line.startswith("f "):
            # Counted from the end and with normals.
            corners = [[int(number) for number in word.split("/")] for word in line.split()[1:]]
            line = "f " + " ".join(f"{v - 55}/{t - 67}/1" for v, t in corners)
        changed.append(line + (" 0.5 0.5 0.5" if line.startswith("v ") else ""))
    (folder / "generic_neutral_mesh.obj").write_bytes("\r\n".join(["# made", *changed, "vn 0 0 1"]).encode())
    _expect_same(read_head_model(folder), expected)
    # Without texture coordinates or materials there are none.
    bare = [line.split("/")[0] if line.startswith("usemtl") else line for line in lines]
    bare = [" ".join(word.split("/")[0] for word in line.split()) for line in bare if not line.startswith("usemtl")]
    (folder / "generic_neutral_mesh.obj").write_text("\n".join(bare))
    model = read_head_model(folder)
    np.testing.assert_array_equal(model.faces, expected.faces)
    assert (model.uv, model.uv_faces, model.materials, model.material_names) == (None, None, None, ())


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    content = write_npz(tmp_path / "a.npz", facekit_arrays()).read_bytes()
    for length in np.linspace(0, len(content) - 1, 60).astype(int):
        (tmp_path / "a").write_bytes(content[:length])
        with pytest.raises(InputError) as caught:
            read_head_model(tmp_path / "a")
        _expect_one_line(caught.value, tmp_path / "a")


@pytest.mark.parametrize("flips", [1, 4, 30])
def test_damaged_files_are_read_or_refused(tmp_path: Path, flips: int) -> None:
    rng = np.random.default_rng(flips)
    content = write_npz(tmp_path / "a.npz", facekit_arrays()).read_bytes()
    folder = write_facekit_folder(tmp_path / "kit", facekit_arrays())
    neutral = (folder / "generic_neutral_mesh.obj").read_bytes()
    refused = 0
    for number in range(120):
        original, path, target = (
            (content, tmp_path / "b", tmp_path / "b")
            if number % 2
            else (neutral, folder, folder / "generic_neutral_mesh.obj")
        )
        damaged = bytearray(original)
        for place in rng.integers(0, len(damaged), flips):
            damaged[place] = rng.integers(256)
        target.write_bytes(damaged)
        try:
            read_head_model(path)
        except InputError as error:
            _expect_one_line(error, path)
            refused += 1
    assert refused > 30


@_NEEDS_SHARED
def test_the_real_one(tmp_path: Path) -> None:
    model = read_head_model(_SHARED)
    assert model.v_template.shape == (26719, 3)
    assert model.shapedirs.shape == (26719, 3, 100)
    assert model.exprdirs is not None
    assert model.materials is not None
    assert model.uv is not None
    assert model.uv_faces is not None
    assert model.faces.max() == 26718
    assert (model.uv_faces.max(), model.uv_faces.min()) == (len(model.uv) - 1, 0)
    head = model.in_millimetres()
    assert 300 < np.ptp(head.v_template, axis=0).max() < 450
    # Every tooth is behind the lips and the lower ones come down when the jaw opens, by centimetres.
    teeth = np.unique(model.faces[model.materials == model.material_names.index("M_Teeth")])
    assert teeth.min() >= 17039
    assert teeth.max() <= 21450
    opened = 10 * model.exprdirs[:, :, model.expression_names.index("jawOpen")]
    lower = opened[teeth, 1] < -5
    assert 0.3 < lower.mean() < 0.7
    assert np.abs(opened[teeth[~lower]]).max() < 1
    # Triangles turn counter-clockwise seen from outside: the skin's foremost one, on the nose, faces forwards.
    skin = head.v_template[model.faces[model.materials == model.material_names.index("M_Face")]]
    nose = skin[skin.mean(axis=1)[:, 2].argmax()]
    assert np.cross(nose[1] - nose[0], nose[2] - nose[0])[2] > 0
    write_head_model(tmp_path / "a.npz", model)
    _expect_same(read_head_model(tmp_path / "a.npz"), model)


def _expect_one_line(error: InputError, path: Path) -> None:
    message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "ICT-FaceKit's folder FaceXModel" in message
    assert len(message) < 400 + len(str(path))

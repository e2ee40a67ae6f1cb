from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data.mesh_files import READABLE, WRITABLE, read_mesh, write_mesh
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.data_made import box, sphere, volume

CREDIT = "Head: A. Author, CC BY 4.0\nSkull: É. Other, CC BY 3.0"


@pytest.fixture
def planar_uv() -> tuple[Mesh, np.ndarray, np.ndarray]:
    """A sphere whose texture coordinates have a seam."""
    mesh = sphere(0.1)
    corners = mesh.vertices[mesh.faces][:, :, :2].reshape(-1, 2)
    back = np.repeat(mesh.vertices[mesh.faces][:, :, 2].mean(axis=1) < 0, 3)
    uv, index = np.unique(np.where(back[:, None], 0.25, 0.75) + corners, axis=0, return_inverse=True)
    return mesh, uv, index.reshape(-1, 3)


@pytest.mark.parametrize("extension", WRITABLE)
def test_what_is_written_reads_back(tmp_path: Path, extension: str) -> None:
    mesh = sphere(0.1, centre=(0.25, -0.5, 1.5))  # metres
    path = tmp_path / "new" / f"mesh{extension}"
    write_mesh(path, mesh, credit=CREDIT)
    back = read_mesh(path)
    assert len(back.vertices) == len(mesh.vertices)
    assert len(back.faces) == len(mesh.faces)
    tolerance = 1e-9 if extension in (".obj", ".ply") else 2e-7
    np.testing.assert_allclose(back.vertices[back.faces], mesh.vertices[mesh.faces], atol=tolerance)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("extension", [".obj", ".ply"])
def test_vertex_order_is_kept(tmp_path: Path, extension: str) -> None:
    mesh = sphere()
    write_mesh(tmp_path / f"m{extension}", mesh)
    back = read_mesh(tmp_path / f"m{extension}")
    np.testing.assert_array_equal(back.faces, mesh.faces)


def test_off_reads(tmp_path: Path) -> None:
    trimesh.Trimesh(*_arrays(box()), process=False).export(tmp_path / "m.off")
    assert volume(read_mesh(tmp_path / "m.off")) == pytest.approx(volume(box()), rel=1e-5)


def test_texture_coordinates_travel(tmp_path: Path, planar_uv: tuple[Mesh, np.ndarray, np.ndarray]) -> None:
    mesh, uv, uv_faces = planar_uv
    for extension in (".obj", ".glb"):
        path = tmp_path / f"m{extension}"
        write_mesh(path, mesh, uv=uv, uv_faces=uv_faces)
        loaded = trimesh.load_mesh(path, process=False)
        assert isinstance(loaded.visual, trimesh.visual.TextureVisuals)
        np.testing.assert_allclose(loaded.visual.uv[loaded.faces], uv[uv_faces], atol=1e-6)
        back = read_mesh(path)  # the seam does not tear the surface
        assert len(back.vertices) == len(mesh.vertices)


def test_values_at_vertices_travel_in_a_ply(tmp_path: Path) -> None:
    mesh = sphere()
    values = np.linspace(0.0, 1.0, len(mesh.vertices))
    write_mesh(tmp_path / "m.ply", mesh, values={"sd_mm": values})
    loaded = trimesh.load_mesh(tmp_path / "m.ply", process=False)
    np.testing.assert_array_equal(loaded.metadata["_ply_raw"]["vertex"]["data"]["sd_mm"], values)
    np.testing.assert_array_equal(read_mesh(tmp_path / "m.ply").vertices, mesh.vertices)


def test_credit_travels(tmp_path: Path) -> None:
    for extension in WRITABLE:
        write_mesh(tmp_path / f"m{extension}", sphere(), credit=CREDIT)
    assert (tmp_path / "m.obj").read_text().splitlines()[:2] == [f"# {line}" for line in CREDIT.splitlines()]
    assert b"comment Head: A. Author, CC BY 4.0" in (tmp_path / "m.ply").read_bytes()
    assert (tmp_path / "m.stl").read_bytes().startswith(b"Head: A. Author, CC BY 4.0 Skull")
    content = (tmp_path / "m.glb").read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    assert json.loads(content[20 : 20 + length])["asset"]["copyright"] == CREDIT


def test_glb_scene_is_joined_with_its_transforms(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    shift = np.eye(4)
    shift[0, 3] = 500.0
    scene.add_geometry(trimesh.Trimesh(*_arrays(sphere()), process=False))
    scene.add_geometry(trimesh.Trimesh(*_arrays(sphere()), process=False), transform=shift)
    scene.export(tmp_path / "scene.glb")
    mesh = read_mesh(tmp_path / "scene.glb")
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [700, 200, 200], rtol=1e-5)


def test_obj_with_quads_relative_indices_normals_and_a_missing_material(tmp_path: Path) -> None:
    text = "mtllib nowhere.mtl\no cube\nusemtl skin\n"
    for z in (0, 1):
        text += f"v 0 0 {z} 1 0 0\nv 1 0 {z} 1 0 0\nv 1 1 {z} 1 0 0\nv 0 1 {z} 1 0 0\n"
        text += "vn 0 0 1\nvt 0 0\nf -4/1/1 -3/1/1 \\\n  -2/1/1 -1/1/1\n"
    (tmp_path / "m.obj").write_bytes(text.replace("\n", "\r\n").replace("\\\r\n", "\\\n").encode())
    mesh = read_mesh(tmp_path / "m.obj", minimum_faces=1)
    assert mesh.vertices.shape == (8, 3)
    corners = np.sort(mesh.faces, axis=1).tolist()
    assert len(corners) == 4
    for quad in ({0, 1, 2, 3}, {4, 5, 6, 7}):
        assert sum(set(triangle) <= quad for triangle in corners) == 2


def test_stl_vertices_are_merged(tmp_path: Path) -> None:
    trimesh.Trimesh(*_arrays(sphere()), process=False).export(tmp_path / "m.stl")
    assert len(read_mesh(tmp_path / "m.stl").vertices) == len(sphere().vertices)


@pytest.mark.parametrize("extension", READABLE)
@pytest.mark.parametrize(
    "content",
    [
        b"this is a letter, not a mesh\n" * 20,
        b"\x89PNG\r\n\x1a\n" * 50,
        bytes(range(256)) * 8,
        b"\0" * 200,
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1000000\nproperty float x\nend_header\nabc",
        b"solid s\nfacet normal 0 0 1\nouter loop\nvertex 0 0",
        b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n",
        b"v 0 0 0\nv 1 0 0\nf 1 2 x\n",
        b"v 0 0 0\nv 1 0 0\nf 1 2 9\n",
        b"glTF\x02\0\0\0\xff\0\0\0",
    ],
    ids=["letter", "picture", "bytes", "zeros", "short ply", "short stl", "off index", "obj word", "obj index", "glb"],
)
def test_what_is_no_mesh_is_refused(
    tmp_path: Path, extension: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"bad{extension}"
    path.write_bytes(content)
    _refused(path)
    out, err = capfd.readouterr()
    assert out + err == ""


def test_bad_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    _refused(tmp_path / "none.obj", "no such file")
    _refused(tmp_path, "is a folder")
    (tmp_path / "m.docx").write_bytes(b"x")
    _refused(tmp_path / "m.docx", r"unknown kind of mesh '.docx'; known are \.glb, \.obj")
    for extension in READABLE:
        (tmp_path / f"empty{extension}").write_bytes(b"")
        _refused(tmp_path / f"empty{extension}", "is empty")


@pytest.mark.parametrize("extension", WRITABLE)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vertices_that_are_not_numbers(tmp_path: Path, extension: str, bad: float) -> None:
    mesh = sphere()
    vertices = mesh.vertices.copy()
    vertices[7] = bad
    path = tmp_path / f"m{extension}"
    with np.errstate(invalid="ignore"):  # the normals of an STL
        write_mesh(path, Mesh(vertices, mesh.faces))
    _refused(path, "not finite numbers")


def test_too_few_triangles(tmp_path: Path) -> None:
    one = Mesh(np.eye(3), np.array([[0, 1, 2]], dtype=np.int32))
    for extension in WRITABLE:
        write_mesh(tmp_path / f"one{extension}", one)
        _refused(tmp_path / f"one{extension}", "only one triangle")
    write_mesh(tmp_path / "box.obj", box(subdivisions=1))
    _refused(tmp_path / "box.obj", "48 triangles, too few for a skull")
    assert len(read_mesh(tmp_path / "box.obj", minimum_faces=10).faces) == 48


def test_points_without_faces(tmp_path: Path) -> None:
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    header = (
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (tmp_path / "points.ply").write_text(header + "0 0 0\n")
    for name in ("points.obj", "points.ply"):
        _refused(tmp_path / name, "has no triangles")


def test_unknown_extension_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write a mesh as '\.fbx'"):
        write_mesh(tmp_path / "m.fbx", sphere())
    assert not list(tmp_path.iterdir())


def _refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def _arrays(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    return mesh.vertices, mesh.faces

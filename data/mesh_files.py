"""Reads and writes triangle meshes: OBJ, STL, PLY, OFF and GLB in; OBJ, PLY, STL and GLB out.

Nothing but the file itself is opened: material libraries, textures and external buffers are neither needed nor looked
for. Coordinates pass through unchanged, in the file's unit and frame (a GLB's node transforms are applied).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import trimesh
from jaxtyping import Float, Int

from data.cleaning import merge_vertices
from data.quiet_trimesh import quiet_trimesh
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

READABLE = (".glb", ".obj", ".off", ".ply", ".stl")
"""Extensions that `read_mesh` knows."""
WRITABLE = (".glb", ".obj", ".ply", ".stl")
"""Extensions that `write_mesh` knows."""
MINIMUM_FACES = 100
"""Fewer triangles than this cannot show a skull or a face."""


def read_mesh(path: Path | str, *, minimum_faces: int = MINIMUM_FACES) -> Mesh:
    """Read a mesh in the file's own unit and frame.

    Polygons become triangles. The vertices of an OBJ, PLY or OFF keep their order and number; in an STL or GLB, which
    repeat vertices at every triangle or seam, equal ones are merged.

    Raises:
        InputError: No such file, unknown extension, empty or unreadable content, a vertex that is not a finite number,
            no triangles, or fewer than `minimum_faces`.
    """
    path = Path(path)
    extension = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a mesh file")
    if not path.exists():
        raise InputError(f"{path}: no such file; check the name")
    if extension not in READABLE:
        raise InputError(f"{path}: unknown kind of mesh '{extension}'; known are {', '.join(READABLE)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if not content.strip():
        raise InputError(f"{path}: the file is empty; export the mesh again")

    mesh = _parse(path, extension, content)
    if not len(mesh.faces):
        raise InputError(f"{path}: has no triangles (points only, or not a mesh); export it as a triangle mesh")
    if not np.isfinite(mesh.vertices).all():
        raise InputError(f"{path}: has vertices that are not finite numbers; repair or export the mesh again")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise InputError(f"{path}: has triangles that refer to missing vertices; export the mesh again")
    if len(mesh.faces) < minimum_faces:
        count = "one triangle" if len(mesh.faces) == 1 else f"{len(mesh.faces)} triangles"
        raise InputError(f"{path}: has only {count}, too few for a skull; at least {minimum_faces} are needed")
    return merge_vertices(mesh) if extension in (".stl", ".glb") else mesh


def write_mesh(
    path: Path | str,
    mesh: Mesh,
    *,
    uv: Float[np.ndarray, "uvs 2"] | None = None,
    uv_faces: Int[np.ndarray, "faces 3"] | None = None,
    credit: str | None = None,
    values: Mapping[str, Float[np.ndarray, " vertices"]] = MappingProxyType({}),
) -> None:
    """Write a mesh as OBJ, PLY, STL or GLB, by the extension of `path`.

    Args:
        path: Replaced if it exists; its folder is made if need be.
        mesh: Written in its own unit and frame.
        uv: Texture coordinates, origin at the lower left; OBJ and GLB keep them.
        uv_faces: Index into `uv` of each triangle corner; needed with `uv`.
        credit: Authors and licence of adapted material; OBJ, PLY and GLB keep all of it, STL its first 80 bytes.
        values: Numbers at the vertices by name; PLY keeps them as properties, the others have no place for them.

    Raises:
        InputError: Unknown extension, or the place cannot be written.
    """
    path = Path(path)
    extension = path.suffix.lower()
    if extension not in WRITABLE:
        raise InputError(f"{path}: cannot write a mesh as '{extension}'; known are {', '.join(WRITABLE)}")
    if (uv is None) != (uv_faces is None):
        raise ValueError("uv and uv_faces belong together")
    if extension == ".obj":
        content = _obj_bytes(mesh, uv, uv_faces, credit)
    elif extension == ".ply":
        content = _ply_bytes(mesh, credit, values)
    elif extension == ".stl":
        content = _stl_bytes(mesh, credit)
    else:
        content = _glb_bytes(mesh, uv, uv_faces, credit)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def _parse(path: Path, extension: str, content: bytes) -> Mesh:
    try:
        if extension == ".obj":
            content = _obj_geometry_only(content)
        with quiet_trimesh():
            scene = trimesh.load_scene(
                io.BytesIO(content), file_type=extension[1:], process=False, maintain_order=True, skip_materials=True
            )
            whole = scene.to_mesh()
        return Mesh(np.array(whole.vertices, dtype=np.float64), np.array(whole.faces, dtype=np.int32))
    except Exception as error:
        # The parsers raise a dozen types on damaged bytes; to the user they are one.
        kind = extension[1:].upper()
        raise InputError(f"{path}: is not a {kind} mesh, or is damaged; export it again as {kind}") from error


def _obj_geometry_only(content: bytes) -> bytes:
    """The vertex positions and faces of an OBJ. Texture and normal indices would split the vertices along seams."""
    lines = re.findall(rb"^[ \t]*[vf][ \t].*$", content.replace(b"\r", b"\n").replace(b"\\\n", b" "), re.MULTILINE)
    kept, vertices = [], 0
    for line in lines:
        tokens = line.split()
        if tokens[0] == b"v":
            vertices += 1
            kept.append(b" ".join(tokens[:4]))
            continue
        corners = [int(token.partition(b"/")[0]) for token in tokens[1:]]
        # A negative index counts back from the vertices seen so far.
        kept.append(b"f " + b" ".join(b"%d" % (i if i > 0 else vertices + 1 + i) for i in corners))
    return b"\n".join(kept)


def _obj_bytes(mesh: Mesh, uv: np.ndarray | None, uv_faces: np.ndarray | None, credit: str | None) -> bytes:
    # Nine digits keep a skull far from the origin, in metres, to well under a micrometre.
    parts = [f"# {line}\n" for line in (credit or "").splitlines()]
    parts.append(_rows("v %.9g %.9g %.9g\n", mesh.vertices))
    if uv is None or uv_faces is None:
        parts.append(_rows("f %d %d %d\n", mesh.faces + 1))
    else:
        parts.append(_rows("vt %.9g %.9g\n", uv))
        corners = np.stack([mesh.faces, uv_faces], axis=2).reshape(len(mesh.faces), 6) + 1
        parts.append(_rows("f %d/%d %d/%d %d/%d\n", corners))
    return "".join(parts).encode()


def _rows(template: str, values: np.ndarray) -> str:
    return (template * len(values)) % tuple(values.ravel().tolist())


def _ply_bytes(mesh: Mesh, credit: str | None, values: Mapping[str, np.ndarray]) -> bytes:
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {line}" for line in _ascii(credit).splitlines()),
        f"element vertex {len(mesh.vertices)}",
        *(f"property double {name}" for name in ("x", "y", "z", *values)),
        f"element face {len(mesh.faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    faces = np.empty(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    vertices = np.column_stack([mesh.vertices, *values.values()]).astype("<f8")
    return ("\n".join(header) + "\n").encode() + vertices.tobytes() + faces.tobytes()


def _stl_bytes(mesh: Mesh, credit: str | None) -> bytes:
    header = " ".join(_ascii(credit).split()).encode()[:80].ljust(80)
    triangles = np.zeros(len(mesh.faces), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    triangles["normal"], triangles["corners"] = mesh.face_normals(), mesh.vertices[mesh.faces]
    return header + np.uint32(len(mesh.faces)).tobytes() + triangles.tobytes()


def _glb_bytes(mesh: Mesh, uv: np.ndarray | None, uv_faces: np.ndarray | None, credit: str | None) -> bytes:
    vertices, faces, visual = mesh.vertices, mesh.faces, None
    if uv is not None and uv_faces is not None:
        # glTF has one index per corner, so a vertex on a seam is written once per texture coordinate.
        corners = np.stack([mesh.faces.ravel(), uv_faces.ravel()], axis=1)
        pairs, corner = np.unique(corners, axis=0, return_inverse=True)
        vertices, faces = mesh.vertices[pairs[:, 0]], corner.reshape(-1, 3)
        visual = trimesh.visual.TextureVisuals(uv=uv[pairs[:, 1]])

    def credited(tree: dict) -> None:
        if credit:
            tree["asset"]["copyright"] = credit

    with quiet_trimesh():
        whole = trimesh.Trimesh(vertices, faces, visual=visual, process=False)
        return trimesh.exchange.gltf.export_glb(trimesh.Scene(whole), tree_postprocessor=credited)


def _ascii(text: str | None) -> str:
    return (text or "").encode("ascii", "replace").decode()

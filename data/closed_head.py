"""One closed outer skin from a head model, on a topology of our own.

Head models come with an inner mouth, sockets behind eyeballs, overlapping lids and a ragged neck; as a signed
distance these become torn lips and eyes. Here the mean head is made solid (eyes filled by the eyeballs, mouth shut,
neck capped by a plane), creases narrower than a lid's thickness are filled, the surface is meshed anew, and every
vertex of the new mesh is tied to the model's surface, so that the model's identity components carry over linearly.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components

from data.cleaning import decimate
from data.head_parts import head_parts
from fields.connected_parts import connected_parts
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.narrow_band import sample_band

CREASE_MM = 0.8
"""Radius of the closing: slits narrower than twice this (between the lips, around the eyeballs) are filled."""
FACE_MAGNIFICATION = 1.4
FACE_RADIUS_MM = 50.0
"""While triangles are dropped, the face is blown up by this factor within this radius, so that it keeps more of
them."""
TIED_MM = 1.5
"""New vertices closer than this to the model's surface follow it; the others (cap, filled creases) interpolate."""


@dataclasses.dataclass(frozen=True)
class ClosedHead:
    """A closed skin and how it hangs on the head model it was made from."""

    mesh: Mesh
    """Closed, outward; millimetres, the head model's axes."""
    binding: sp.csr_matrix
    """(V, V_model): displacements of the model's vertices to displacements of ours."""


def close_head(model_mesh: Mesh, *, neck_y: float, vertex_count: int, voxel_mm: float = 1.0) -> ClosedHead:
    """Make one closed outer skin of about `vertex_count` vertices from a head model's mean (mm, y up, z forward).

    `neck_y` is the height of the horizontal plane that caps the neck. Eyeballs are united with the skin; teeth, lashes
    and whatever else the model has are left out.
    """
    parts = head_parts(model_mesh)
    skin = _compact(model_mesh.vertices, parts.skin)
    body = DistanceScene(fill_holes(skin))
    balls = [_compact(model_mesh.vertices, faces) for eye in parts.eyes for faces in eye]
    eyes = [(DistanceScene(fill_holes(ball)), *_bounding_sphere(ball)) for ball in balls]

    def united(points: np.ndarray) -> np.ndarray:
        distance = body.signed_distance(points)
        for eye, centre, radius in eyes:
            near = np.linalg.norm(points - centre, axis=1) - radius < distance
            distance[near] = np.minimum(distance[near], eye.signed_distance(points[near]))
        return np.maximum(distance, neck_y - points[:, 1])

    low, high = skin.vertices.min(axis=0) - 8.0, skin.vertices.max(axis=0) + 8.0
    low[1] = neck_y - 8.0
    # Closing: dilate by CREASE_MM (a mesh of that level), then come back from its surface by the same amount.
    dilated = sample_band(lambda points: united(points) - CREASE_MM, low, high, voxel_mm)
    shell = DistanceScene(_largest(dilated.surface()))
    solid = sample_band(lambda points: shell.signed_distance(points) + CREASE_MM, low, high, voxel_mm)
    fine = _largest(solid.surface())
    mesh = _relax(_decimate_for_faces(fine, 2 * vertex_count), fine, neck_y)
    return ClosedHead(mesh, _bind(mesh, Mesh(model_mesh.vertices, parts.outside())))


def fill_holes(mesh: Mesh) -> Mesh:
    """Close every boundary loop with a fan around its mean point."""
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    directed = edges[:, 0] * len(mesh.vertices) + edges[:, 1]
    reverse = edges[:, 1] * len(mesh.vertices) + edges[:, 0]
    border = edges[~np.isin(directed, reverse)]
    if not len(border):
        return mesh
    _, label = connected_components(_graph(border, len(mesh.vertices)))
    vertices, faces = [mesh.vertices], [mesh.faces]
    for loop in np.unique(label[border[:, 0]]):
        rim = border[label[border[:, 0]] == loop]
        centre = len(mesh.vertices) + len(vertices) - 1
        vertices.append(mesh.vertices[np.unique(rim)].mean(axis=0, keepdims=True))
        faces.append(np.stack([rim[:, 1], rim[:, 0], np.full(len(rim), centre)], axis=1))
    return Mesh(np.concatenate(vertices), np.concatenate(faces).astype(np.int32))


def _bounding_sphere(mesh: Mesh) -> tuple[np.ndarray, float]:
    centre = mesh.vertices.mean(axis=0)
    return centre, float(np.linalg.norm(mesh.vertices - centre, axis=1).max())


def _graph(edges: np.ndarray, count: int) -> sp.coo_matrix:
    return sp.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))


def _compact(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """Triangles with the vertices that they use."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], renumbered.reshape(faces.shape).astype(np.int32))


def _largest(mesh: Mesh) -> Mesh:
    """The connected part with most triangles."""
    label_of_face = connected_parts(mesh)[mesh.faces[:, 0]]
    return _compact(mesh.vertices, mesh.faces[label_of_face == np.bincount(label_of_face).argmax()])


def _adjacency(mesh: Mesh) -> sp.csr_matrix:
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    graph = _graph(edges, len(mesh.vertices)).tocsr()
    return ((graph + graph.T) > 0).astype(np.float64)


def _decimate_for_faces(mesh: Mesh, face_count: int) -> Mesh:
    """Quadric decimation that thinks the face larger than it is."""
    front = mesh.vertices[np.abs(mesh.vertices[:, 0]) < 5.0]
    centre = front[np.argmax(front[:, 2])] - [0.0, 0.0, 25.0]  # behind the tip of the nose

    def magnified(radius: np.ndarray) -> np.ndarray:
        return radius * (1 + FACE_MAGNIFICATION * np.exp(-0.5 * (radius / FACE_RADIUS_MM) ** 2))

    offset = mesh.vertices - centre
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    small = decimate(Mesh(centre + offset * magnified(radius) / radius, mesh.faces), face_count)
    table = np.linspace(0.0, 1.1 * radius.max(), 20_000)
    offset = small.vertices - centre
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    return Mesh(centre + offset * np.interp(radius, magnified(table), table) / radius, small.faces)


def _relax(mesh: Mesh, surface: Mesh, neck_y: float, rounds: int = 12) -> Mesh:
    """Even out the triangles: move vertices half-way to their neighbours' mean, within the surface; the cut's rim
    stays."""
    scene = DistanceScene(surface)
    adjacency = _adjacency(mesh)
    average = sp.diags(1.0 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency
    vertices = scene.closest(mesh.vertices).points
    loose = (vertices[:, 1] > neck_y + 4.0)[:, None]
    for _ in range(rounds):
        vertices = np.where(loose, scene.closest(0.5 * (vertices + average @ vertices)).points, vertices)
    return Mesh(vertices, mesh.faces)


def _bind(mesh: Mesh, model_mesh: Mesh) -> sp.csr_matrix:
    """Closest-point ties to the model's surface, harmonic in between."""
    scene = DistanceScene(model_mesh)
    near = scene.closest(mesh.vertices)
    gap = np.linalg.norm(near.points - mesh.vertices, axis=1)
    facing = np.einsum("vd,vd->v", model_mesh.face_normals()[near.face_ids], mesh.vertex_normals())
    tied = (gap < TIED_MM) & (facing > 0.2)  # a vertex over a slit must not follow the slit's wall
    count, model_count = len(mesh.vertices), len(model_mesh.vertices)
    rows = np.repeat(np.arange(count), 3)
    ties = sp.csr_matrix(
        (near.barycentric.ravel(), (rows, model_mesh.faces[near.face_ids].ravel())), shape=(count, model_count)
    )
    adjacency = _adjacency(mesh)
    laplacian = sp.eye(count) - sp.diags(1.0 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency
    free = np.flatnonzero(~tied)
    held = np.flatnonzero(tied)
    solved = scipy.sparse.linalg.spsolve(
        laplacian.tocsr()[free][:, free].tocsc(), -(laplacian.tocsr()[free][:, held] @ ties[held]).tocsc()
    )
    binding = sp.lil_matrix((count, model_count))
    binding[held] = ties[held]
    binding[free] = solved
    return binding.tocsr()


def apply_binding(
    binding: sp.csr_matrix, displacement: Float[np.ndarray, "model_vertices 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Our vertices' displacement for a displacement of the model's."""
    return binding @ displacement

"""Parts the template's fused jaws: which vertices are mandible, which triangles join it to the cranium, and surfaces
that close both when those triangles go.

The cut follows the line between the rows of teeth (`data.cohort.arch`) and a plane through each condyle under the skull
base. Triangles that it crosses are the bridges. In their stead either jaw gets pieces of them, cut exactly at the line,
and a lid: occlusal surfaces with fissures where the teeth meet, a rounded condyle below and a hollow fossa above
where the joints are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int
from scipy.spatial import Delaunay, cKDTree

from data.cohort.arch import Arch
from data.cohort.outline import inside, loops
from fields.mesh import Mesh
from flame_jax.errors import InputError

GAP_MM = 0.15
"""Between the two sides of the cut."""
_LID_SPACING_MM = 1.6
_FISSURE_MM = 1.3
"""How deep the middle of a molar or premolar lies under its cusps. A guess of ours."""
_FISSURE_FROM_MM = 17.5
"""Arc length at which premolars begin; in front of it teeth have edges."""
_CONDYLE_BELOW_PORION_MM = (4.6, 5.8, 7.0, 8.2, 9.4)
"""How deep under the poria the joints are cut: at the first level at which the condyles stand free."""
_CONDYLE_HEIGHT_MM = 3.5
_FOSSA_HEIGHT_MM = 4.5
_BAND_MM = (-8.0, 16.0)
"""Depths behind the buccal side between which bone belongs to the rows."""


@dataclasses.dataclass(frozen=True)
class PartedJaws:
    """Cranium and mandible. New vertices come after the skull's own, new triangles likewise."""

    vertices: Float[np.ndarray, "vertices 3"]
    """The skull's vertices and those of the lids, mm, head frame."""
    faces: Int[np.ndarray, "faces 3"]
    """The skull's triangles and those of the lids."""
    mandible: Bool[np.ndarray, " vertices"]
    """Which vertices go with the mandible."""
    bridge: Bool[np.ndarray, " faces"]
    """The skull's triangles that join the jaws."""
    lid: Bool[np.ndarray, " faces"]
    """Triangles that close both jaws where the bridges were."""
    condyles: Float[np.ndarray, "2 3"]
    """Centres of the left and the right condyle."""


def part_jaws(skull: Mesh, landmarks: Mapping[str, np.ndarray], arch: Arch) -> PartedJaws:
    """Part a skull with closed, fused jaws (head frame, mm).

    Raises:
        InputError: Jaws that no cut parts.
    """
    height, mandible = _parted(skull, landmarks, arch)
    corners = mandible[skull.faces]
    bridge = corners.any(axis=1) & ~corners.all(axis=1)
    vertices, faces, owner = [skull.vertices], [skull.faces], [mandible]
    condyles: list[np.ndarray] = []
    count = len(skull.vertices)
    for below in (True, False):
        piece_faces, cut = _cut_faces(skull.faces[bridge], mandible, below, count)
        ends = skull.vertices[cut]
        high, low = height[cut[:, 0]], height[cut[:, 1]]
        level = -GAP_MM / 2 if below else GAP_MM / 2
        # Not at the very end of an edge, where a sliver would be left.
        share = np.where(
            np.isfinite(high) & np.isfinite(low),
            np.clip((high - level) / np.where(np.isfinite(high - low), high - low, 1.0), 0.04, 0.96),
            0.5,
        )
        points = ends[:, 0] + share[:, None] * (ends[:, 1] - ends[:, 0])
        new, triangles = [points], [piece_faces]
        for loop in loops(piece_faces, count):
            lid_points, lid_faces, centre = _lid(points[loop - count], arch, below)
            inner = count + sum(map(len, new)) - len(loop)
            numbers = np.concatenate([loop, inner + len(loop) + np.arange(len(lid_points))])
            new.append(lid_points)
            triangles.append(numbers[lid_faces])
            if below and centre is not None:
                condyles.append(centre)
        vertices.append(np.concatenate(new))
        faces.append(np.concatenate(triangles))
        owner.append(np.full(len(vertices[-1]), below))
        count += len(vertices[-1])
    condyles.sort(key=lambda centre: -centre[0])
    all_faces = np.concatenate(faces).astype(np.int32)
    return PartedJaws(
        np.concatenate(vertices),
        all_faces,
        np.concatenate(owner),
        np.concatenate([bridge, np.zeros(len(all_faces) - len(bridge), bool)]),
        np.arange(len(all_faces)) >= len(bridge),
        np.stack([condyles[0], condyles[-1]]),
    )


def _parted(skull: Mesh, landmarks: Mapping[str, np.ndarray], arch: Arch) -> tuple[np.ndarray, np.ndarray]:
    """Height over the cut at each vertex, mm, and which vertices are mandible."""
    for level in _CONDYLE_BELOW_PORION_MM:
        height = _height_over_cut(skull, landmarks, arch, level)
        mandible = _mandible(skull, height, landmarks)
        if mandible.any():
            return height, mandible
    raise InputError(
        "the prior's skull has jaws that do not part under the ears and between the teeth; "
        "make one with s2f build-prior from a skull with closed jaws"
    )


def _height_over_cut(skull: Mesh, landmarks: Mapping[str, np.ndarray], arch: Arch, level: float) -> np.ndarray:
    """Height over the cut near it, mm; not finite where nothing is to be cut."""
    vertices = skull.vertices
    height = np.full(len(vertices), np.nan)
    arcs, depth, _ = arch.place(vertices)
    over_bite = vertices[:, 1] - arch.height(arch.bite, arcs)
    ramus_front = landmarks["mr_l"][2] + 12.0
    rows = (depth > _BAND_MM[0]) & (depth < _BAND_MM[1]) & (vertices[:, 2] > ramus_front) & (np.abs(over_bite) < 12.0)
    height[rows] = over_bite[rows]
    for side in ("l", "r"):
        porion = landmarks[f"po_{side}"]
        offset = vertices - porion
        lateral = offset[:, 0] * np.sign(porion[0])
        joint = (lateral > -12.0) & (lateral < 8.0) & (offset[:, 2] > 2.0) & (offset[:, 2] < 29.0)
        joint &= (offset[:, 1] > -14.0) & (offset[:, 1] < 1.0)
        height[joint] = offset[joint, 1] + level
    return height


def _mandible(skull: Mesh, height: np.ndarray, landmarks: Mapping[str, np.ndarray]) -> np.ndarray:
    """The chin's side of the cut; nothing where it is the brow's as well."""
    edges = skull.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    ends = height[edges]
    # Comparisons with what is not finite are false: such edges stay.
    crosses = (ends.max(axis=1) > 0.0) & (ends.min(axis=1) <= 0.0)
    edges = edges[~crosses]
    count = len(skull.vertices)
    graph = scipy.sparse.coo_matrix((np.ones(len(edges), np.int8), edges.T), shape=(count, count))
    piece = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
    tree = cKDTree(skull.vertices)
    chin, brow = piece[tree.query(np.stack([landmarks["me"], landmarks["g"]]))[1]]
    if chin == brow:
        return np.zeros(count, dtype=bool)
    mandible = piece == chin
    # Crumbs that both cuts leave go with the side of the cut that they lie on.
    crumbs = (piece != chin) & (piece != brow)
    return np.where(crumbs, height <= 0.0, mandible)


def _cut_faces(faces: np.ndarray, mandible: np.ndarray, below: bool, first_new: int) -> tuple[np.ndarray, np.ndarray]:
    """What one side keeps of triangles that are cut in two, and the edges (kept end of the cranium first) on which the
    new vertices lie, which are numbered from `first_new`."""
    mine = mandible[faces] == below
    # Turn each triangle until its lone vertex, on either side of the cut, comes first.
    lone = np.where(mine.sum(axis=1) == 1, np.argmax(mine, axis=1), np.argmin(mine, axis=1))
    turned = np.take_along_axis(faces, (lone[:, None] + np.arange(3)) % 3, axis=1)
    single = mine.sum(axis=1) == 1
    pairs = np.stack([turned[:, [0, 1]], turned[:, [0, 2]]], axis=1)
    upper_first = np.where(mandible[pairs[..., :1]], pairs[..., ::-1], pairs)
    edges, new = np.unique(upper_first.reshape(-1, 2), axis=0, return_inverse=True)
    first, second = (first_new + new.reshape(-1, 2)).T
    a, b, c = turned.T
    tip = np.stack([a, first, second], axis=1)[single]
    quad = np.concatenate([np.stack([first, b, c], axis=1), np.stack([first, c, second], axis=1)])
    return np.concatenate([tip, quad[np.tile(~single, 2)]]), edges


def _lid(loop: np.ndarray, arch: Arch, below: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Inner points of a lid; its triangles, which count the loop's points first; the centre, if it is a condyle's."""
    flat = loop[:, [0, 2]]
    low, high = flat.min(axis=0), flat.max(axis=0)
    grid = np.stack(np.meshgrid(*(np.arange(a, b, _LID_SPACING_MM) for a, b in zip(low, high, strict=True))), -1)
    grid = grid.reshape(-1, 2)
    outline = np.concatenate([flat + (np.roll(flat, -1, axis=0) - flat) * share for share in (0.0, 0.25, 0.5, 0.75)])
    edge_distance, near = cKDTree(outline).query(grid)
    # As far from the outline as its own points are from each other, or Delaunay's triangles would break through it.
    inner = inside(grid, flat) & (edge_distance > 1.0)
    grid, edge_distance = grid[inner], edge_distance[inner]
    both = np.concatenate([flat, grid])
    triangles = Delaunay(both).simplices
    triangles = triangles[inside(both[triangles].mean(axis=1), flat)]
    a, b, c = (both[triangles[:, corner]] for corner in range(3))
    # Positive where x × z turns towards +y, which is clockwise in these two coordinates.
    upward = (b - a)[:, 1] * (c - a)[:, 0] - (b - a)[:, 0] * (c - a)[:, 1] > 0.0
    triangles[upward != below] = triangles[upward != below][:, ::-1]
    heights = loop[near[inner] % len(loop), 1]
    points = np.stack([grid[:, 0], heights, grid[:, 1]], axis=1)
    if low[0] < 0.0 < high[0]:
        arcs, _, _ = arch.place(points)
        points[:, 1] = arch.height(arch.bite, arcs) + (-GAP_MM / 2 if below else GAP_MM / 2)
        fissure = _FISSURE_MM * np.minimum(edge_distance / 2.5, 1.0) * (np.abs(arcs) > _FISSURE_FROM_MM)
        points[:, 1] += -fissure if below else fissure
        return points, triangles, None
    dome = np.sqrt(np.clip(edge_distance / max(edge_distance.max(), 1e-6), 0.0, 1.0))
    points[:, 1] = loop[:, 1].mean() + (_CONDYLE_HEIGHT_MM if below else _FOSSA_HEIGHT_MM) * dome
    return points, triangles, loop.mean(axis=0)

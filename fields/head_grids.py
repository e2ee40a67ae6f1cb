"""A head model as grids: the signed distance of its mean head, and which vertices space around it moves with.

Rasterised on the host from any closed head of FLAME's kind. A node's displacement is that of the surface point closest
to it, so the grid of an identity mode is never stored: a node holds three vertices and their weights, and the modes'
displacements of the vertices are added up first. This is the grid B of DESIGN.md, "The field", without its size.

Read back at 2.5 mm: the distance is off by 0.03 mm on average on the face of the shipped head
(tests/fields/test_head_grids.py).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from pathlib import Path

import jax
import numpy as np
import open3d as o3d
from jaxtyping import Float, Int
from scipy.ndimage import map_coordinates

from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.array_archive import read_arrays
from flame_jax.errors import InputError
from flame_jax.kept_arrays import keep_arrays
from flame_jax.model import Array
from flame_jax.user_cache import user_cache

SPACING_MM = 2.5
MARGIN_MM = 14.0
"""Around the mean head: heads reach farther than their mean."""
_COARSE = 3
"""Cells of the coarse grid are so many times as large."""
_BAND_MM = 16.0
"""Farther from the surface than this, values come from the coarse grid."""
_VERSION = 1
"""Counts changes of the program after which grids that were kept are no longer what it rasterises."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class HeadGrids:
    """Grids of a closed mean head; mm, the head model's frame. A pytree."""

    low: Float[Array, "*batch 3"]
    """The first node."""
    spacing: Float[Array, "*batch"]
    distance: Float[Array, "*batch x y z"]
    """T: signed distance of the mean head, negative inside."""
    ids: Int[Array, "*batch x y z 3"]
    """Corners of the triangle closest to each node …"""
    weights: Float[Array, "*batch x y z 3"]
    """… and the barycentric weights of the point on it."""


def head_grids(mean: Mesh, spacing_mm: float = SPACING_MM) -> HeadGrids:
    """Rasterise a closed mean head (mm). Runs on the host, some seconds for a million nodes."""
    low, high = mean.vertices.min(axis=0) - MARGIN_MM, mean.vertices.max(axis=0) + MARGIN_MM
    cells = _COARSE * np.ceil((high - low) / (_COARSE * spacing_mm)).astype(int)
    scene = DistanceScene(mean)
    coarse = scene.signed_distance(_nodes(low, _COARSE * spacing_mm, cells // _COARSE + 1))
    fine = np.indices(cells + 1).reshape(3, -1)
    distance = map_coordinates(coarse, fine / _COARSE, order=1)
    near = np.abs(distance) < _BAND_MM
    nodes = low + spacing_mm * fine.T
    distance[near] = scene.signed_distance(nodes[near])
    # Far off, a node goes with the surface closest to the coarse node before it.
    closest = scene.closest(_nodes(low, _COARSE * spacing_mm, cells // _COARSE + 1).reshape(-1, 3))
    before = np.ravel_multi_index(tuple(fine // _COARSE), tuple(cells // _COARSE + 1))
    ids, weights = mean.faces[closest.face_ids][before], closest.barycentric[before]
    exact = scene.closest(nodes[near])
    ids[near], weights[near] = mean.faces[exact.face_ids], exact.barycentric
    shape = tuple(cells + 1)
    return HeadGrids(
        low=low.astype(np.float32),
        spacing=np.asarray(spacing_mm, np.float32),
        distance=distance.reshape(shape).astype(np.float32),
        ids=ids.reshape(*shape, 3).astype(np.int32),
        weights=weights.reshape(*shape, 3).astype(np.float32),
    )


def kept_head_grids(mean: Mesh) -> HeadGrids:
    """`head_grids`, rasterised once: kept in `s2f/grids` of the user's cache, if that can be written."""
    path = _kept_at(mean)
    kept = None if path is None else read_arrays(path, [field.name for field in dataclasses.fields(HeadGrids)])
    if kept is not None:
        return HeadGrids(**kept)
    grids = head_grids(mean)
    if path is not None:
        # A cache is a convenience: without it the result is the same.
        with contextlib.suppress(InputError):
            keep_arrays(path, {name: np.asarray(array) for name, array in vars(grids).items()})
    return grids


def _kept_at(mean: Mesh) -> Path | None:
    """The file of a mesh's grids, named by everything that they depend on; None where there is no home."""
    settings = (_VERSION, SPACING_MM, MARGIN_MM, _COARSE, _BAND_MM, o3d.__version__)
    content = hashlib.sha256(repr(settings).encode())
    for array in (np.ascontiguousarray(mean.vertices, "<f8"), np.ascontiguousarray(mean.faces, "<i4")):
        content.update(str(array.shape).encode() + array.tobytes())
    try:
        return user_cache() / "s2f" / "grids" / f"{content.hexdigest()[:32]}.npz"
    except RuntimeError:
        return None


def _nodes(low: np.ndarray, spacing: float, count: np.ndarray) -> Float[np.ndarray, "x y z 3"]:
    return low + spacing * np.moveaxis(np.indices(tuple(count)), 0, -1)

"""Texture coordinates for head models that come without.

The charts are xatlas's (Young, https://github.com/jpcy/xatlas, MIT): grown over the surface, flattened by least squares
conformal maps (Lévy, Petitjean, Ray, Maillot, "Least squares conformal maps for automatic texture atlas generation",
ACM Transactions on Graphics 21(3), 2002), and packed into one square.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import xatlas
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components

from flame_jax.array_archive import read_arrays
from flame_jax.errors import InputError
from flame_jax.model import HeadModel
from flame_jax.user_cache import user_cache
from flame_jax.whole_file import whole_file

_CHARTS: Mapping[str, Any] = {
    "max_cost": 3.0,
    "normal_deviation_weight": 2.0,
    "roundness_weight": 0.1,
    "straightness_weight": 0.0,
    "normal_seam_weight": 4.0,
    "max_iterations": 4,
}
"""Of some sixty settings drawn at random for the mean of FLAME 2023 Open, the one whose eight largest charts cover
most: 90 % of the surface (xatlas's own settings: 85 %). How charts grow depends on rounding: other sizes of the same
head give 80 to 90 %, and a hundred charts or more, most of them slivers at the ears, eyes and lips."""
_PACKING: Mapping[str, Any] = {"resolution": 1024, "padding": 2, "rotate_charts": False}
"""Two texels are left free between charts at 1024 texels. Charts are not turned, since xatlas turns them by
transposing, which mirrors them."""
_THINNEST = 1e-12
"""Triangles of less area than this part of the head's extent squared count as degenerate."""
_SIZE = 320.0
"""Extent that heads are scaled to: xatlas has absolute thresholds; this is about a head in millimetres."""


def unwrapped(model: HeadModel) -> HeadModel:
    """The model with texture coordinates; one that has them is returned as it is.

    Otherwise its mean head is unwrapped: `uv` in 0..1 with v up, of the same scale along both, and `uv_faces` in the
    order of the corners of `faces`. Triangles are not mirrored and do not overlap, but for duplicates, which share
    their place; degenerate triangles have no area. The same mesh gives the same coordinates. They are kept in
    `$XDG_CACHE_HOME/flame_jax/uv` or `~/.cache/flame_jax/uv`; where that cannot be written, they are made each time.
    """
    if model.uv is not None and model.uv_faces is not None:
        return model
    vertices = np.ascontiguousarray(model.v_template, dtype=np.float32)
    faces = np.ascontiguousarray(model.faces, dtype=np.int32)
    path = _cache_path(vertices, faces)
    found = None if path is None else _read(path, faces)
    if found is None:
        found = _unwrap(vertices, faces)
        if path is not None:
            # A cache is a convenience: without it the result is the same.
            with contextlib.suppress(InputError), whole_file(path) as unfinished:
                np.savez(unfinished, uv=found[0], uv_faces=found[1])
    return dataclasses.replace(model, uv=found[0], uv_faces=found[1])


def _cache_path(vertices: np.ndarray, faces: np.ndarray) -> Path | None:
    """The file of a mesh's coordinates, named by everything that they depend on; None where there is no home."""
    settings = json.dumps([dict(_CHARTS), dict(_PACKING), _THINNEST, _SIZE, importlib.metadata.version("xatlas")])
    content = hashlib.sha256(settings.encode())
    for array in (vertices, faces):
        content.update(str(array.shape).encode() + array.tobytes())
    try:
        return user_cache() / "flame_jax" / "uv" / f"{content.hexdigest()[:32]}.npz"
    except RuntimeError:
        return None


def _read(
    path: Path, faces: Int[np.ndarray, "faces 3"]
) -> tuple[Float[np.ndarray, "uvs 2"], Int[np.ndarray, "faces 3"]] | None:
    """What the cache has for a mesh, if it is whole and fits."""
    stored = read_arrays(path, ("uv", "uv_faces"))
    if stored is None:
        return None
    uv, uv_faces = stored["uv"], stored["uv_faces"]
    if uv.dtype != np.float32 or uv.ndim != 2 or uv.shape[1] != 2 or uv_faces.dtype != np.int32:
        return None
    if uv_faces.shape != faces.shape or not (len(uv) and uv_faces.size):
        return None
    if uv_faces.min() < 0 or uv_faces.max() >= len(uv) or not ((uv >= 0.0) & (uv <= 1.0)).all():
        return None
    # Each coordinate belongs to one vertex of this mesh.
    pairs = np.unique(np.stack([uv_faces.ravel(), faces.ravel()], axis=1), axis=0)
    return (uv, uv_faces) if len(pairs) == len(uv) else None


def _unwrap(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Float[np.ndarray, "uvs 2"], Int[np.ndarray, "faces 3"]]:
    extent = float(np.ptp(vertices, axis=0).max())
    points = vertices.astype(np.float64) * (_SIZE / extent if extent > 0 else 1.0)
    first, same_as = _distinct(points, faces)
    if len(first) == 0:
        return np.zeros((len(vertices), 2), dtype=np.float32), faces
    atlas = xatlas.Atlas()
    atlas.add_mesh(points.astype(np.float32), faces[first].astype(np.uint32))
    atlas.generate(_options(xatlas.ChartOptions(), _CHARTS), _options(xatlas.PackOptions(), _PACKING))
    vertex_of, uv_faces, uv = atlas[0]
    uv = _unmirrored(uv * np.array([atlas.width, atlas.height], dtype=np.float32), uv_faces)
    # Packed once more, since charts that were turned over do not fit their old places.
    atlas = xatlas.Atlas()
    atlas.add_uv_mesh(uv, uv_faces)
    atlas.generate(xatlas.ChartOptions(), _options(xatlas.PackOptions(), {**_PACKING, "rotate_charts_to_axis": False}))
    old_uv, uv_faces, uv = atlas[0]
    vertex_of = vertex_of[old_uv]
    uv = uv * np.array([atlas.width, atlas.height], dtype=np.float32) / np.float32(max(atlas.width, atlas.height))
    return _for_all(uv.clip(0.0, 1.0), uv_faces, vertex_of, faces, first, same_as)


def _options(options: xatlas.ChartOptions | xatlas.PackOptions, values: Mapping[str, Any]) -> Any:
    for name, value in values.items():
        setattr(options, name, value)
    return options


def _distinct(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The triangles to unwrap, and for each triangle the place among them of itself or its equal; -1: degenerate.

    xatlas is given no others, because what it does with them is not specified.
    """
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    sound = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 2.0 * _THINNEST * _SIZE**2
    _, first, inverse = np.unique(np.sort(faces[sound], axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first))
    same_as = np.full(len(faces), -1)
    same_as[sound] = place[inverse.ravel()]
    return np.flatnonzero(sound)[first[order]], same_as


def _unmirrored(uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """The coordinates with those charts mirrored whose triangles run clockwise; they may overlap now."""
    count = len(uv)
    ends = np.concatenate([uv_faces[:, :2], uv_faces[:, 1:]]).astype(np.int64)
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    charts, label = connected_components(graph, directed=False)
    a, b, c = (uv[uv_faces[:, corner]].astype(np.float64) for corner in range(3))
    doubled = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    turned = np.bincount(label[uv_faces[:, 0]], weights=doubled, minlength=charts)[label] < 0
    return np.where(np.stack([turned, np.zeros_like(turned)], axis=1), -uv, uv).astype(np.float32)


def _for_all(
    uv: np.ndarray,
    uv_faces: np.ndarray,
    vertex_of: np.ndarray,
    faces: np.ndarray,
    first: np.ndarray,
    same_as: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of all triangles from those of the unwrapped ones, without coordinates that no triangle has."""
    result = np.empty(faces.shape, dtype=np.int64)
    equal = np.flatnonzero(same_as >= 0)
    theirs = faces[first[same_as[equal]]]
    # Of each corner the one of the equal triangle that is the same vertex: it may start elsewhere or run backwards.
    corner = np.argmax(faces[equal][:, :, None] == theirs[:, None, :], axis=2)
    result[equal] = np.take_along_axis(uv_faces[same_as[equal]].astype(np.int64), corner, axis=1)
    degenerate = np.flatnonzero(same_as < 0)
    if len(degenerate):
        # Any coordinate of the vertex will do; vertices that only degenerate triangles have lie in the corner.
        of_vertex = np.full(faces.max() + 1, -1)
        of_vertex[vertex_of] = np.arange(len(vertex_of))
        bare = np.unique(faces[degenerate][of_vertex[faces[degenerate]] < 0])
        of_vertex[bare] = len(uv) + np.arange(len(bare))
        uv = np.concatenate([uv, np.zeros((len(bare), 2), dtype=uv.dtype)])
        result[degenerate] = of_vertex[faces[degenerate]]
    used, uv_faces = np.unique(result, return_inverse=True)
    return uv[used].astype(np.float32), uv_faces.reshape(-1, 3).astype(np.int32)

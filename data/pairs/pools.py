"""What training draws from: a pool of skull points, and a pool of query points with signed distances to the face."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from data.cohort.queries import ANYWHERE_SHARE, FACE_SHARE, FAR_MM, MARGIN_MM, NEAR_MM
from data.face_region import face_triangles
from data.pairs.open_surface import Border, border_of, outward, trusted_distance
from data.prior import AnatomyPrior
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.errors import InputError

_INSIDE_SHARE = 0.5
"""Of the skull's points, at least: vertebrae and the scanner's table may lie outside the face."""
_JUDGES = 2_048
"""Skull points that tell whether the face is around the skull."""
_LEAST_TRUSTED = 0.05
"""Share of the queries about an open face, below which it is torn rather than cut."""


@dataclasses.dataclass(frozen=True)
class PoolSizes:
    """How many points are kept of each pair."""

    skull_points: int = 32_768
    queries: int = 65_536


@dataclasses.dataclass(frozen=True)
class Pools:
    """Points in the head frame, mm, in random order: any first few are a fair sample."""

    skull_points: Float[np.ndarray, "points 3"]
    """Spread over the skull by area, float32."""
    skull_normals: Float[np.ndarray, "points 3"]
    """Unit normals of the triangles that the points lie on, float32."""
    query_points: Float[np.ndarray, "queries 3"]
    """About the face, the head and anywhere around, float32."""
    query_distances: Float[np.ndarray, " queries"]
    """From each query to the face, negative inside, float32."""


@dataclasses.dataclass(frozen=True)
class HeadRegion:
    """Where in the head frame (mm) is looked, and where most closely: the same for every pair."""

    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]
    """Corners of the box that queries are drawn in."""
    landmarks: Mapping[str, Float[np.ndarray, "3"]]
    """Of the mean head, for its face region."""


def head_region(prior: AnatomyPrior) -> HeadRegion:
    """The region of a prior's mean head, as the cohort's own program has it (`data.cohort.queries`)."""
    vertices = prior.head_mesh().vertices
    return HeadRegion(vertices.min(axis=0) - MARGIN_MM, vertices.max(axis=0) + MARGIN_MM, prior.landmark_points())


def make_pools(skull: Mesh, face: Mesh, region: HeadRegion, sizes: PoolSizes, *, seed: int, source: str) -> Pools:
    """Sample a pair, skull and face in the head frame (mm).

    Queries about a closed face are as the cohort's own program draws them (`data.cohort.queries`): normally distributed
    off the surface, half of them near and half far, most about the face region; the others evenly in the region's box.
    About an open face there are only those off the surface, and of these only the ones whose sign can be trusted
    (`data.pairs.open_surface.trusted_distance`).

    Args:
        skull: Any, wound outward.
        face: Closed, or open where its scan ends.
        region: Where to look.
        sizes: How many points.
        seed: Of the draw.
        source: The face's file, for messages.

    Raises:
        InputError: The face is not around the skull, not in the region, or too much of it is open.
    """
    rng = np.random.default_rng(seed)
    points, normals = _skull_points(skull, sizes.skull_points, rng)
    border = border_of(face)
    judges = points[:_JUDGES].astype(np.float64)
    if border.empty:
        scene = DistanceScene(face)
        turned = face if np.mean(scene.signed_distance(judges) < 0.0) >= _INSIDE_SHARE else None
    else:
        # Turning it swaps two corners of each triangle, and the border's edges with them.
        turned = outward(face, border, judges)
        border, scene = border_of(turned or face), DistanceScene(turned or face)
    if turned is None:
        raise InputError(f"{source}: is not around the skull beside it; both must be in one frame, in mm")
    places = _Places(turned, region, source)
    if border.empty:
        queries = _queries(places, region, sizes.queries, rng)
        distances = scene.signed_distance(queries)
    else:
        queries, distances = _trusted_queries(places, border, scene, sizes.queries, rng, source)
    order = rng.permutation(len(queries))
    return Pools(points, normals, queries[order], distances[order].astype(np.float32))


def _skull_points(skull: Mesh, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    drawn = sample_surface(skull, count, seed=int(rng.integers(2**32)))
    order = rng.permutation(count)
    normals = skull.face_normals()[drawn.face_ids[order]]
    return drawn.points[order].astype(np.float32), normals.astype(np.float32)


class _Places:
    """The triangles of a face in the region, parted into face region and rest."""

    def __init__(self, face: Mesh, region: HeadRegion, source: str):
        centre = face.vertices[face.faces].mean(axis=1)
        in_box = ((centre > region.low) & (centre < region.high)).all(axis=1)
        in_face = face_triangles(face, region.landmarks) & in_box
        self._face = face
        self._parts: list[tuple[Bool[np.ndarray, " faces"], float]] = [
            (part, share)
            for part, share in ((in_face, FACE_SHARE), (in_box & ~in_face, 1.0 - FACE_SHARE))
            if face.face_areas()[part].sum() > 0.0
        ]
        if not self._parts:
            raise InputError(f"{source}: has nothing where a head is; skull and face must be of one head, in mm")

    def draw(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count 3"]:
        """Points normally distributed off the surface."""
        first = count if len(self._parts) == 1 else round(self._parts[0][1] * count)
        points = np.concatenate(
            [
                sample_surface(self._face, number, int(rng.integers(2**32)), part).points
                for (part, _), number in zip(self._parts, (first, count - first), strict=False)
                if number
            ]
        )
        sd = np.where(np.arange(count) % 2 == 0, NEAR_MM, FAR_MM)
        return points + sd[:, None] * rng.standard_normal((count, 3))


def _queries(places: _Places, region: HeadRegion, count: int, rng: np.random.Generator) -> np.ndarray:
    anywhere = round(ANYWHERE_SHARE * count)
    off_surface = places.draw(count - anywhere, rng)
    return np.concatenate([off_surface, rng.uniform(region.low, region.high, (anywhere, 3))]).astype(np.float32)


def _trusted_queries(
    places: _Places, border: Border, scene: DistanceScene, count: int, rng: np.random.Generator, source: str
) -> tuple[np.ndarray, np.ndarray]:
    queries, distances = np.zeros((0, 3), dtype=np.float32), np.zeros(0)
    drawn = 0
    while len(queries) < count:
        share = len(queries) / drawn if drawn else 1.0
        if share < _LEAST_TRUSTED:
            raise InputError(f"{source}: is too torn to have an inside; close it, or cut away what is torn")
        more = int(1.1 * (count - len(queries)) / share) + 1
        # As they will be kept, so that the distances are theirs.
        some = places.draw(more, rng).astype(np.float32)
        distance, trusted = trusted_distance(scene.mesh, border, scene, some.astype(np.float64))
        queries = np.concatenate([queries, some[trusted]])
        distances = np.concatenate([distances, distance[trusted]])
        drawn += more
    # Those of a draw come in the order of the triangles: leaving the last out would leave out their part of the face.
    kept = rng.permutation(len(queries))[:count]
    return queries[kept], distances[kept]

"""Where skin is thin and no landmark is near, bone follows the skin too: controls between those of the prior.

Bones have displacements of their own. Where a few millimetres of skin cover them – the orbit's lateral margin, the
bridge of the nose, the arch, the temporal line – they would come out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from data.prior import AnatomyPrior
from fields.distance import DistanceScene, SurfacePoints

THIN_MM = 6.0
"""Bone less deep under the mean head's skin is close to it."""
_FACING = 0.7
"""Cosine between bone normal and the way to the skin: less is a cavity's wall."""
_MIDLINE_MM = 6.0
"""Nearer to it there would be no room for a pair; the landmarks of the midline are there."""


@dataclasses.dataclass(frozen=True)
class DepthSites:
    """Bone points and the skin over them, on the mean head and skull; head frame, mm."""

    names: tuple[str, ...]
    points: Float[np.ndarray, "sites 3"]
    directions: Float[np.ndarray, "sites 3"]
    """Unit vectors from bone to skin."""
    depths: Float[np.ndarray, " sites"]
    """From bone to skin."""
    ties: SurfacePoints
    """The skin points."""


def thin_sites(
    prior: AnatomyPrior,
    taken: Float[np.ndarray, "taken 3"],
    named: Mapping[str, Float[np.ndarray, "3"]],
    spacing_mm: float,
) -> DepthSites:
    """Sites where bone is close under the skin: those named, then pairs `thin0_l`, `thin0_r`, …, spread `spacing_mm` or
    more from each other, from the named ones and from `taken`."""
    skull, scene = prior.skull, DistanceScene(prior.head_mesh())
    skin = scene.closest(skull.vertices)
    offset = skin.points - skull.vertices
    depth = np.linalg.norm(offset, axis=1)
    facing = np.einsum("vd,vd->v", skull.vertex_normals(), offset) > _FACING * depth
    left = np.flatnonzero((depth < THIN_MM) & (depth > 0.5) & facing & (skull.vertices[:, 0] > _MIDLINE_MM))
    mirrored = skull.vertices[left] * [-1.0, 1.0, 1.0]
    taken = np.concatenate([taken, *(point[None] for point in named.values())])
    gap = np.minimum(_gap(skull.vertices[left], taken), _gap(mirrored, taken))
    chosen: list[int] = []
    while len(gap) and gap.max() >= spacing_mm:
        chosen.append(int(np.argmax(gap)))
        gap = np.minimum(gap, _gap(skull.vertices[left], skull.vertices[left[chosen[-1:]]]))
    right = DistanceScene(skull).closest(mirrored[chosen]).points
    pairs = np.stack([skull.vertices[left[chosen]], right], axis=1).reshape(-1, 3)
    names = tuple(f"thin{number}{side}" for number in range(len(chosen)) for side in ("_l", "_r"))
    points = np.concatenate([*(point[None] for point in named.values()), pairs])
    over = scene.closest(points)
    away = over.points - points
    length = np.linalg.norm(away, axis=1)
    return DepthSites((*named, *names), points, away / length[:, None], length, over)


def _gap(points: Float[np.ndarray, "points 3"], others: Float[np.ndarray, "others 3"]) -> Float[np.ndarray, " points"]:
    """Distance from each point to the nearest of the others."""
    return np.linalg.norm(points[:, None] - others[None], axis=-1).min(axis=1)

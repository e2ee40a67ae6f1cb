"""How thick the soft tissue of a cohort's people is at the landmarks, measured as in life: along rays from the bone.

The measurement uses nothing that made the people: points fixed to the bone, straight rays, and open3d.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

import numpy as np
from jaxtyping import Float

from data.cohort.controls import Controls, make_controls
from data.cohort.variants import Variant
from data.landmarks import abbreviation_of
from data.skull_in_head import HAIR_CAP_MM, SCALP
from eval.cohort.people import People
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh

_BEHIND_MM = 8.0
"""Rays start this far inside the bone: where bone comes out of the skin, the depth is negative and not missed."""
_BEYOND_MM = 1e-3
_SURFACES = 5
"""A ray beside the nose may leave the skin into a nostril, enter it again and leave it at last."""


@dataclasses.dataclass(frozen=True)
class Thickness:
    """Measured depths at a landmark of one or both sides."""

    landmark: str
    """Abbreviation, without a side."""
    mean_mm: float
    sd_mm: float
    """Of all people and both sides."""
    table_mean_mm: float
    """Of the generator's table; under hair, with the cap that the prior adds."""
    table_sd_mm: float
    """κ times the table's."""
    correlation: float
    """Of the depth with the bone's position along the ray: the larger of both sides in size."""
    missed: int
    """Rays that met no skin."""
    drives: bool
    """Whether the landmark drives the skulls."""


def measure_thickness(
    people: People, variant: Variant, landmarks: Collection[str], say: Callable[[str], None] = lambda text: None
) -> list[Thickness]:
    """Measure at landmarks of the depth table (abbreviations), over all people, driving the skulls or not."""
    sites = make_controls(people.prior, dataclasses.replace(variant, left_out=()))
    named = [row for row in range(sites.depths) if abbreviation_of(sites.names[row]) in landmarks]
    depths, along = _measured(people, sites, named, say)
    tissue = variant.tissue(people.prior.tissue)
    names = [sites.names[row] for row in named]
    result = []
    for landmark in dict.fromkeys(abbreviation_of(name) for name in names):
        columns = [column for column, name in enumerate(names) if abbreviation_of(name) == landmark]
        values = depths[:, columns]
        found = np.isfinite(values)
        correlations = [_correlation(depths[:, column], along[:, column]) for column in columns]
        result.append(
            Thickness(
                landmark=landmark,
                mean_mm=float(values[found].mean()),
                sd_mm=float(np.sqrt(np.nanvar(values, axis=0).mean())),
                table_mean_mm=tissue.mean[landmark] + (HAIR_CAP_MM if landmark in SCALP else 0.0),
                table_sd_mm=variant.kappa * tissue.sd[landmark],
                correlation=max(correlations, key=abs),
                missed=int((~found).sum()),
                drives=landmark not in variant.left_out,
            )
        )
    return result


def _measured(
    people: People, sites: Controls, rows: list[int], say: Callable[[str], None]
) -> tuple[Float[np.ndarray, "people rows"], Float[np.ndarray, "people rows"]]:
    """Depths (NaN where a ray misses) and the bone's positions along the rays, mm."""
    over = DistanceScene(people.prior.skull).closest(sites.points[rows])
    ties = sites.ties
    ties = SurfacePoints.of(people.prior.head_mesh(), ties.face_ids[rows], ties.barycentric[rows])
    directions = sites.directions[rows]
    depths, along = (np.full((len(people), len(rows)), np.nan) for _ in range(2))
    for person in range(len(people)):
        say(f"person {person + 1} of {len(people)}")
        bone = SurfacePoints.of(people.skull(person), over.face_ids, over.barycentric).points
        head = people.head(person)
        paired = SurfacePoints.of(head, ties.face_ids, ties.barycentric).points
        depths[person] = _to_skin(head, bone - _BEHIND_MM * directions, directions, paired) - _BEHIND_MM
        along[person] = np.einsum("rd,rd->r", bone, directions)
    return depths, along


def _to_skin(head: Mesh, origins: np.ndarray, directions: np.ndarray, paired: np.ndarray) -> Float[np.ndarray, " rays"]:
    """Ways from the origins to where the rays leave the head nearest to the paired skin points; NaN if nowhere."""
    scene, normals = DistanceScene(head), head.face_normals()
    way, best, nearest = (np.full(len(origins), value) for value in (0.0, np.nan, np.inf))
    for _ in range(_SURFACES):
        hit = scene.cast(origins + way[:, None] * directions, directions)
        way = way + np.where(hit.hit, hit.distance, 0.0) + _BEYOND_MM
        leaves = hit.hit & (np.einsum("rd,rd->r", normals[hit.face_ids], directions) > 0.0)
        gap = np.linalg.norm(origins + way[:, None] * directions - paired, axis=1)
        better = leaves & (gap < nearest)
        best, nearest = np.where(better, way - _BEYOND_MM, best), np.where(better, gap, nearest)
    return best


def _correlation(a: Float[np.ndarray, " people"], b: Float[np.ndarray, " people"]) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1])

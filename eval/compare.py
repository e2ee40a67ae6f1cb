"""`s2f compare`: how far a predicted face lies from the true one, in the skull's frame and without any alignment."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, cast

import numpy as np
from jaxtyping import Bool
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from eval.exclusion import Exclusion
from eval.metrics import (
    SAMPLES,
    DistanceStatistics,
    SurfaceErrors,
    errors_of_predicted,
    errors_of_true,
    summarise,
)
from eval.regions import region_faces, sub_region_masks
from eval.skull_record import SkullRecord
from fields.mesh import Mesh
from flame_jax.errors import InputError

_FAR_MM = 30.0
"""A mean distance that no reconstruction has: the meshes are then probably not in one frame and unit."""
_FLAT_SHARE = 0.02
"""Share of the region that may be a flat end of the surface before it is said so; the tip of a nose is less."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A predicted surface against a true one."""

    region: str
    region_area_mm2: float
    """Area of the true surface that was scored."""
    masked_area_mm2: float
    """Area of the region that the mask took out."""
    errors: SurfaceErrors
    sub_regions: dict[str, DistanceStatistics]
    """True surface to prediction, by part of the face; empty for the head."""
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a JSON file; what is not a number becomes None."""
        return cast(dict[str, Any], _plain(dataclasses.asdict(self)))


def compare(
    predicted: Mesh,
    true: Mesh,
    *,
    region: str,
    skull: SkullRecord | None,
    exclusion: Exclusion | None = None,
    count: int = SAMPLES,
    seed: int = 0,
) -> Comparison:
    """Distances between two surfaces over a region of the true one.

    Both meshes come in the skull's input frame and unit; the skull's record takes them to the head frame (mm), where
    they are compared as they lie. `exclusion` is in the input's frame, in mm. Raises `InputError` without a record,
    when the record lacks landmarks that the region needs, or when no part of the true surface lies in the region.
    """
    if skull is None:
        raise InputError(
            f"region {region} is defined by the skull's landmarks: give --skull, the .json that `s2f reconstruct` wrote"
        )
    predicted_head, true_head = predicted.transformed(skull.T_head_input), true.transformed(skull.T_head_input)
    try:
        mask = region_faces(true_head, region, skull.landmarks)
    except InputError as error:
        raise InputError(f"{skull.source}: {error}") from None
    areas = true_head.face_areas()
    whole = float(areas[mask].sum())
    if exclusion is not None:
        mask &= ~exclusion.holds(true.vertices[true.faces].mean(axis=1) * skull.mm_per_unit)
    scored = float(areas[mask].sum())
    if not scored > 0.0:
        raise InputError(
            f"{skull.source}: nothing of the true surface lies in region {region}; "
            "give the record of this skull, and meshes in its frame and unit that face outward"
        )
    onto_predicted = errors_of_true(predicted_head, true_head, mask, count, seed)
    warnings = []
    flat = float(areas[mask & _flat_ends(true)].sum())
    if flat > _FLAT_SHARE * scored:
        warnings.append(
            f"{flat / 100.0:.0f} cm² of the region are a flat end of the true surface; if the scan was cut there, "
            "exclude it with --mask"
        )
    errors = SurfaceErrors(
        summarise(onto_predicted), summarise(errors_of_predicted(predicted_head, true_head, mask, count, seed))
    )
    sub_regions = {}
    if region == "face":
        try:
            masks = sub_region_masks(onto_predicted.points, skull.landmarks)
            sub_regions = {name: summarise(onto_predicted.where(part)) for name, part in masks.items()}
        except InputError as error:
            warnings.append(f"{skull.source}: {error}")
    if errors.true_to_predicted.mean_mm > _FAR_MM:
        warnings.append("the surfaces lie so far apart that they are probably not in one frame and unit")
    if not errors.predicted_to_true.samples:
        warnings.append("no part of the prediction lies over the region")
    return Comparison(region, scored, whole - scored, errors, sub_regions, tuple(warnings))


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print a comparison as a table, the quoted direction first."""
    console = console or Console()
    table = Table(
        title=f"region {comparison.region}, {comparison.region_area_mm2 / 100.0:.0f} cm², not aligned",
        caption="mm; the share within 2, 2.5 and 5 mm in %; n·n: normal consistency",
        box=SIMPLE,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for heading in ("mean", "signed", "sd", "p95", "≤2", "≤2.5", "≤5", "n·n"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("true → predicted", *_cells(comparison.errors.true_to_predicted), style="bold")
    table.add_row("predicted → true", *_cells(comparison.errors.predicted_to_true), end_section=True)
    for name, statistics in comparison.sub_regions.items():
        table.add_row(f"  {name}", *_cells(statistics))
    console.print(table)
    if comparison.masked_area_mm2 > 0.0:
        console.print(f"masked: {comparison.masked_area_mm2 / 100.0:.0f} cm²")
    for warning in comparison.warnings:
        console.print(f"warning: {warning}", markup=False)


def _flat_ends(mesh: Mesh) -> Bool[np.ndarray, " faces"]:
    """Triangles that lie in a side of the mesh's bounding box, as where a volume ended."""
    centroids, normals = mesh.vertices[mesh.faces].mean(axis=1), mesh.face_normals()
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    slack = 0.01 * (high - low)
    at_low, at_high = (centroids < low + slack) & (normals < -0.99), (centroids > high - slack) & (normals > 0.99)
    return (at_low | at_high).any(axis=1)


def _cells(statistics: DistanceStatistics) -> list[str]:
    if not statistics.samples:
        return ["–"] * 8
    millimetres = ("mean_mm", "signed_mean_mm", "sd_mm", "p95_mm")
    percent = ("within_2_mm_percent", "within_2_5_mm_percent", "within_5_mm_percent")
    return [
        *(f"{getattr(statistics, name):{'+' if name.startswith('signed') else ''}.2f}" for name in millimetres),
        *(f"{getattr(statistics, name):.0f}" for name in percent),
        f"{statistics.normal_consistency:.3f}",
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""The tables of `s2f bench anatomy`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from eval.cohort.scan_depths import ScanDepth
from eval.cohort.study import AnatomyStudy
from eval.cohort.thickness import Thickness

MEAN_MM, SD_MM, CORRELATION, LEFT_OUT_MM = 0.5, 0.75, 0.1, 2.0
"""Landmarks that depart from the table by more, or whose depth tells of the bone by more, are marked; those that do not
drive the skulls, by the last."""


def print_study(study: AnatomyStudy, console: Console) -> None:
    """Print all of it."""
    one = study.inversion
    for text in (
        f"Generator {study.generator}.",
        f"From skull to face by ridge regression ({one.trained_on:,} people, {one.tested_on} others to test with): "
        f"{one.ridge_mm:.2f} mm on average over the face; told the fullness, {one.with_fullness_mm:.2f} mm; the mean "
        f"head, {one.mean_head_mm:.2f} mm. From vertex to vertex {one.ridge_vertex_mm:.2f} mm; the mean head, "
        f"{one.mean_head_vertex_mm:.2f} mm.",
        f"Bone outside the skin, {study.bones.people} people: {study.bones.out_of_skin} vertices, the farthest at "
        f"{study.bones.farthest_out_mm:+.2f} mm. The mean skull of all people is off its "
        f"mirror image by {study.bones.asymmetry_mm:.2f} mm more than the prior's.",
    ):
        console.print(text, markup=False, highlight=False)
    console.print(_depths(study))
    if study.scan:
        console.print(_scanned(study.scan))


def _depths(study: AnatomyStudy) -> Table:
    table = _table("Depths along rays, mm", ("mean", "table", "sd", "κ · table", "with bone", "left out"))
    table.add_column("")
    left_out = {one.landmark: one for one in study.left_out}
    for one in study.thickness:
        beside = left_out.get(one.landmark, None if one.drives else one)
        table.add_row(
            one.landmark,
            f"{one.mean_mm:.2f}",
            f"{one.table_mean_mm:.2f}",
            f"{one.sd_mm:.2f}",
            f"{one.table_sd_mm:.2f}",
            f"{one.correlation:+.2f}",
            "" if beside is None else f"{beside.mean_mm - beside.table_mean_mm:+.2f}",
            ", ".join(_marks(one, beside)),
        )
    return table


def _scanned(scan: Sequence[ScanDepth]) -> Table:
    table = _table("Depths on the scan, mm", ("depth", "cohort", "sd", "deviation"))
    for one in scan:
        values = (one.depth_mm, one.cohort_mean_mm, one.cohort_sd_mm)
        table.add_row(one.point, *(f"{value:.1f}" for value in values), f"{one.deviation:+.1f}")
    return table


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, box=SIMPLE, pad_edge=False)
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _marks(one: Thickness, left_out: Thickness | None) -> list[str]:
    """What departs by more than it should."""
    mean_mm = abs(one.mean_mm - one.table_mean_mm)
    marks = []
    if one.drives and mean_mm > MEAN_MM:
        marks.append("mean")
    if one.drives and abs(one.sd_mm - one.table_sd_mm) > SD_MM:
        marks.append("sd")
    if abs(one.correlation) > CORRELATION:
        marks.append("bone")
    if left_out is not None and abs(left_out.mean_mm - left_out.table_mean_mm) > LEFT_OUT_MM:
        marks.append("left out")
    if one.missed:
        marks.append(f"{one.missed} rays missed")
    return marks

"""The figure of a head fitted to a scan: the scan, the head, and the distance between them on the scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from fields.mesh import Mesh, submesh
from s2f.picture import (
    CLAY,
    TRUE_CLAY,
    VIEWS,
    WHITE,
    error_scale,
    figure_page,
    rounded_head,
    save_figure,
    view_frames,
    view_strip,
)
from s2f.render import Layer, over, render_frame

_AROUND_MM = 30.0
"""How far beyond the fitted head the scan is shown: no shoulders, no chair."""
_MATCHED_MM = 10.0
"""Farther from the head, the scan is grey: it is something else."""


def fit_picture(
    path: Path | str,
    *,
    scan: Mesh,
    head: Mesh,
    distance_mm: Float[np.ndarray, " vertices"],
    caption: str,
    credit: str,
) -> None:
    """Write a PNG of three rows, each seen from three sides, with a scale bar; credit goes into its text and metadata.

    Args:
        path: Replaced whole or not at all.
        scan: In the head model's axes (x = subject's left, y up, z anterior), mm.
        head: The fitted head there.
        distance_mm: Distance of each of the scan's vertices from the head.
        caption: The first sentence below.
        credit: Authors and licence of the head model.
    """
    low, high = head.vertices.min(axis=0) - _AROUND_MM, head.vertices.max(axis=0) + _AROUND_MM
    shown = np.all((scan.vertices > low) & (scan.vertices < high), axis=1)
    used = np.unique(scan.faces[shown[scan.faces].all(axis=1)])
    part, distance = submesh(scan, shown), distance_mm[used]
    distance = np.where(distance <= _MATCHED_MM, distance, np.nan)
    scale = error_scale(distance)
    scan_layer = Layer(part, colour=TRUE_CLAY, specular=0.05, gloss=14.0)
    rows = [
        ("Scan", scan_layer),
        ("Fitted head", Layer(rounded_head(head)[0], colour=CLAY, specular=0.05, gloss=14.0)),
        (
            "Distance of the scan from the fitted head",
            scan_layer.restyled(vertex_colours=scale.colours(distance), relief=0.6),
        ),
    ]
    frames = view_frames([part, head], float(min(part.vertices[:, 1].min(initial=np.inf), head.vertices[:, 1].min())))
    strips = [view_strip([over(render_frame([layer], frame), WHITE) for frame in frames]) for _, layer in rows]
    text = f"{caption}. {credit}"
    page = figure_page([name for name, _ in rows], strips, frames, [scale], text, disclaimer=False, views=VIEWS)
    save_figure(page, path, caption, credit, disclaimer=False)

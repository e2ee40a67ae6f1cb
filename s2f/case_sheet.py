"""A sheet of cases: the skull as the method got it, the face it made, the true one, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.evaluation import SubjectSurfaces
from eval.face_errors import vertex_errors
from s2f.picture import (
    BONE,
    CLAY,
    GUTTER,
    MARGIN,
    PAGE_WIDTH,
    TRUE_CLAY,
    WHITE,
    error_scale,
    figure_page,
    rounded_head,
    save_figure,
    view_strip,
)
from s2f.render import Frame, Layer, View, over, render_frame

ACROSS = 2
"""Cases in a row."""
_COLUMNS = ("skull", "prediction", "truth", "error")
_TURNED = View(30.0)
_WIDTH_MM, _HEIGHT_MM, _CENTRE_MM = 215.0, 280.0, (0.0, 10.0, 10.0)
"""What a picture shows: head frame."""


def case_sheet(path: Path | str, cases: Sequence[tuple[str, SubjectSurfaces]], *, caption: str, credit: str) -> None:
    """Write a PNG of cases, two in a row, each under its name.

    The error is drawn on the true face, positive where the prediction lies outside; what is not scored is grey, and one
    scale holds for all. The file is replaced whole or not at all. Raises `InputError` when it cannot be written.
    """
    errors = [vertex_errors(surfaces.predicted, surfaces.truth) for _, surfaces in cases]
    scale = error_scale(np.concatenate(errors))
    frame = _frame()
    panels = []
    for (_, surfaces), error in zip(cases, errors, strict=True):
        true, finer = rounded_head(surfaces.truth.head, error)
        assert finer is not None
        layers = (
            Layer(surfaces.skull, colour=BONE),
            Layer(rounded_head(surfaces.predicted)[0], colour=CLAY),
            true_layer := Layer(true, colour=TRUE_CLAY),
            true_layer.restyled(vertex_colours=scale.colours(finer), relief=0.6),
        )
        panels.append([over(render_frame([layer], frame), WHITE) for layer in layers])
    rows = [range(start, min(start + ACROSS, len(cases))) for start in range(0, len(cases), ACROSS)]
    names = [" · ".join(cases[place][0] for place in row) for row in rows]
    strips = [view_strip([panel for place in row for panel in panels[place]]) for row in rows]
    columns = [(column, _TURNED) for column in _COLUMNS] * ACROSS
    page = figure_page(names, strips, [frame] * len(columns), [scale], caption, views=columns)
    save_figure(page, path, caption, credit)


def _frame() -> Frame:
    columns = ACROSS * len(_COLUMNS)
    width_px = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * GUTTER) // columns
    mm_per_px = _WIDTH_MM / width_px
    return Frame(_TURNED, width_px, round(_HEIGHT_MM / mm_per_px), mm_per_px, _CENTRE_MM)

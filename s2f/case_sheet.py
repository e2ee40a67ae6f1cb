"""A sheet of cases: the skull as the method got it, the face it made, the true one, and how far apart they are.

Where a truth is a real person's own skin it is not shown, and the error is drawn on the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.evaluation import SubjectSurfaces
from eval.face_errors import vertex_errors, vertex_errors_of_prediction
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
"""Cases in a row, at most."""
_TRUTH = "truth"
_COLUMNS = ("skull", "prediction", _TRUTH, "error")
_TURNED = View(30.0)
_WIDTH_MM, _HEIGHT_MM, _CENTRE_MM = 215.0, 280.0, (0.0, 10.0, 10.0)
"""What a picture shows: head frame."""


def case_sheet(path: Path | str, cases: Sequence[tuple[str, SubjectSurfaces]], *, caption: str, credit: str) -> None:
    """Write a PNG of cases, two in a row at most, each under its name.

    The error is positive where the prediction lies outside the true face; what is not scored is grey, and one scale
    holds for all. The file is replaced whole or not at all. Raises `InputError` when it cannot be written.
    """
    hidden = any(surfaces.own_skin for _, surfaces in cases)
    measure = vertex_errors_of_prediction if hidden else vertex_errors
    errors = [measure(surfaces.predicted, surfaces.truth) for _, surfaces in cases]
    scale = error_scale(np.concatenate(errors))
    titles = tuple(title for title in _COLUMNS if not (hidden and title == _TRUTH))
    across = min(ACROSS, len(cases))
    frame = _frame(across * len(titles))
    panels = []
    for (_, surfaces), error in zip(cases, errors, strict=True):
        shown, finer = rounded_head(surfaces.predicted if hidden else surfaces.truth.head, error)
        assert finer is not None
        layers = {
            "skull": Layer(surfaces.skull, colour=BONE),
            "prediction": Layer(rounded_head(surfaces.predicted)[0], colour=CLAY),
            _TRUTH: (below := Layer(shown, colour=TRUE_CLAY)),
            "error": below.restyled(vertex_colours=scale.colours(finer), relief=0.6),
        }
        panels.append([over(render_frame([layers[title]], frame), WHITE) for title in titles])
    rows = [range(start, min(start + across, len(cases))) for start in range(0, len(cases), across)]
    names = [" · ".join(cases[place][0] for place in row) for row in rows]
    strips = [view_strip([panel for place in row for panel in panels[place]]) for row in rows]
    columns = [(title, _TURNED) for title in titles] * across
    page = figure_page(names, strips, [frame] * len(columns), [scale], caption, views=columns)
    save_figure(page, path, caption, credit)


def _frame(columns: int) -> Frame:
    width_px = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * GUTTER) // columns
    mm_per_px = _WIDTH_MM / width_px
    return Frame(_TURNED, width_px, round(_HEIGHT_MM / mm_per_px), mm_per_px, _CENTRE_MM)

"""A sheet of test cases: the skull as the method got it, the face it made, the true one, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eval.field_scores import Prediction, true_face
from eval.held_out_case import HeldOutCase
from eval.metrics import per_vertex_error
from fields.mesh import Mesh
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

_COLUMNS = ("skull", "prediction", "truth", "error")
_ACROSS = 2
"""Cases in a row."""
_TURNED = View(30.0)
_WIDTH_MM, _HEIGHT_MM, _CENTRE_MM = 215.0, 280.0, (0.0, 10.0, 10.0)
"""What a picture shows: head frame."""


def field_sheet(
    path: Path | str, cases: Sequence[tuple[HeldOutCase, Prediction]], *, caption: str, credit: str
) -> None:
    """Write a PNG of cases that were placed, each with what a method made of it (aligned head frame, mm).

    The error is drawn on the true face, positive where the prediction lies outside; what is not scored is grey, and one
    scale holds for all. The file is replaced whole or not at all.
    """
    scored = [_errors(case, predicted.mesh) for case, predicted in cases]
    scale = error_scale(np.concatenate([errors for _, errors in scored]))
    frame = _frame()
    panels = []
    for (case, predicted), (truth, errors) in zip(cases, scored, strict=True):
        assert case.placed is not None
        true, finer = rounded_head(truth, errors)
        assert finer is not None
        layers = (
            Layer(case.placed.skull, colour=BONE),
            Layer(rounded_head(predicted.mesh)[0], colour=CLAY),
            true_layer := Layer(true, colour=TRUE_CLAY),
            true_layer.restyled(vertex_colours=scale.colours(finer), relief=0.6),
        )
        panels.append([over(render_frame([layer], frame), WHITE) for layer in layers])
    rows = [range(start, min(start + _ACROSS, len(cases))) for start in range(0, len(cases), _ACROSS)]
    names = [" · ".join(_name(cases[place][0]) for place in row) for row in rows]
    strips = [view_strip([panel for place in row for panel in panels[place]]) for row in rows]
    columns = [(column, _TURNED) for column in _COLUMNS] * _ACROSS
    page = figure_page(names, strips, [frame] * len(columns), scale, caption, views=columns)
    save_figure(page, path, caption, credit)


def _errors(case: HeldOutCase, predicted: Mesh) -> tuple[Mesh, Float[np.ndarray, " vertices"]]:
    """The true head, and at its vertices the distance to a prediction; not a number where nothing is scored."""
    truth = true_face(case)
    scored = np.unique(truth.head.faces[truth.triangles])
    errors = np.full(len(truth.head.vertices), np.nan)
    errors[scored] = per_vertex_error(truth.head, predicted)[scored]
    return truth.head, errors


def _name(case: HeldOutCase) -> str:
    kinds = [kind.replace("_", " ") for kind in case.kinds if kind != "pose"]
    return f"case {case.number}: {', '.join(kinds) or 'undamaged'}"


def _frame() -> Frame:
    columns = _ACROSS * len(_COLUMNS)
    width_px = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * GUTTER) // columns
    mm_per_px = _WIDTH_MM / width_px
    return Frame(_TURNED, width_px, round(_HEIGHT_MM / mm_per_px), mm_per_px, _CENTRE_MM)

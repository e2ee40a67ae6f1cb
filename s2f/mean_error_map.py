"""A picture of where a method errs: mean errors over subjects, drawn on one head."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eval.mean_errors import MeanErrors
from s2f.picture import WHITE, error_scale, figure_page, rounded_head, save_figure, view_frames, view_strip
from s2f.render import FRONT, THREE_QUARTER, Layer, over, render_frame

_COLUMNS = (("mean distance", FRONT), ("", THREE_QUARTER), ("mean signed distance", FRONT), ("", THREE_QUARTER))
_BELOW_MM = 10.0
"""The picture ends so far below the lowest vertex that has an error."""


def mean_error_map(path: Path | str, errors: MeanErrors, *, caption: str, credit: str) -> None:
    """Write a PNG of the mean distance and, with a scale of its own, the mean signed distance.

    What is not scored is grey. The file is replaced whole or not at all. Raises `InputError` when it cannot be written.
    """
    shown = np.isfinite(errors.distance_mm)
    floor = float(errors.head.vertices[shown, 1].min(initial=0.0)) - _BELOW_MM
    values = np.stack([errors.distance_mm, errors.signed_mm], axis=1)
    head, finer = rounded_head(errors.head, values)
    assert finer is not None
    plain = Layer(head)
    scales = [error_scale(errors.distance_mm), error_scale(errors.signed_mm, signed=True)]
    layers = [
        plain.restyled(vertex_colours=scale.colours(finer[:, column]), relief=0.6)
        for column, scale in enumerate(scales)
    ]
    frames = view_frames([errors.head], floor, _COLUMNS)
    panels = [over(render_frame([layers[place // 2]], frame), WHITE) for place, frame in enumerate(frames)]
    page = figure_page([""], [view_strip(panels)], frames, scales, caption, views=_COLUMNS)
    save_figure(page, path, caption, credit)

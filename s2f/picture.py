"""Figures for papers: a face with its skull from three sides, and landmarks on a skull."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from fields.mesh import Mesh
from flame_jax.whole_file import whole_file
from s2f.markers import INK, Markers, draw_labels, font, label_room
from s2f.render import FRONT, SIDE, THREE_QUARTER, Frame, Layer, View, over, render_frame
from s2f.tessellate import rounded

DISCLAIMER = "facial approximation – not an identification"
BONE = (0.85, 0.81, 0.74)
CLAY = (0.76, 0.645, 0.57)
VEIL = (0.66, 0.47, 0.38)
TRUE_CLAY = (0.64, 0.68, 0.72)
UNSCORED = (0.80, 0.80, 0.80)
WHITE = (1.0, 1.0, 1.0)
GREY = (110, 110, 114)

PAGE_WIDTH = 2100
"""Pixels: 178 mm, a journal's full width, at 300 dots per inch."""
DOTS_PER_INCH = 300
MARGIN = 80
GUTTER = 36
TEXT = 30
HEADING = 34
LABEL = 22
LINE = 44
"""From one line of text to the next."""
HEADER = 60
ROW_GAP = 30
SCALE_BAR_MM = 50.0
ROUND_MM = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
"""Ends that a colour scale may have."""
COARSE_VERTICES = 20_000
"""A head of at most so many vertices is rounded for drawing."""
NECK_MM = 26.0
"""The neck fades out this far below the skull: head models are cut there anyhow."""
_CHIN_Y_MM = -85.0
"""Height of menton on the prior's skull: a skull without mandible still gets a face with a chin."""
NECK_FADE_MM = 12.0

VIEWS: tuple[tuple[str, View], ...] = (("front", FRONT), ("three-quarter", THREE_QUARTER), ("left side", SIDE))


@dataclasses.dataclass(frozen=True)
class ErrorScale:
    """Colours of distances in mm."""

    low_mm: float
    high_mm: float
    colour_map: str
    """A name of matplotlib's."""
    colour_share: float
    """How much of the map is used, from its start: the end of a map to black would swallow the relief."""
    clipped: bool
    """Whether some distances lie beyond the ends."""

    def colours(self, error_mm: Float[np.ndarray, " points"]) -> Float[np.ndarray, "points 3"]:
        """sRGB, 0 to 1; grey where the distance is not a number."""
        where = (np.nan_to_num(error_mm) - self.low_mm) / (self.high_mm - self.low_mm)
        colours = matplotlib.colormaps[self.colour_map](np.clip(where, 0.0, 1.0) * self.colour_share)[:, :3]
        return np.where(np.isfinite(error_mm)[:, None], colours, np.array(UNSCORED))


def error_scale(error_mm: Float[np.ndarray, " points"], *, signed: bool = False) -> ErrorScale:
    """A scale from 0, or about 0 if distances are `signed` or some are negative, to a round number near the 98th
    percentile."""
    finite = error_mm[np.isfinite(error_mm)]
    size = np.abs(finite)
    reach = float(np.percentile(size, 98)) if len(size) else 1.0
    high = float(next((step for step in ROUND_MM if step >= reach), ROUND_MM[-1]))
    clipped = bool(np.any(size > high))
    if signed or np.any(finite < 0.0):
        # Made for shaded surfaces: Moreland, Diverging Color Maps for Scientific Visualization (2009).
        return ErrorScale(-high, high, "coolwarm", 1.0, clipped)
    return ErrorScale(0.0, high, "magma_r", 0.82, clipped)


def face_picture(
    path: Path | str,
    *,
    face: Mesh,
    skull: Mesh,
    caption: str,
    credit: str,
    true_face: Mesh | None = None,
    error_mm: Float[np.ndarray, " vertices"] | None = None,
    error_name: str = "Distance to the true face",
) -> None:
    """Write a PNG that shows the face, the face over its skull, and if known the true face and the error.

    All meshes are in the head frame (mm). `error_mm` has a distance per vertex of `face`; not-a-number is drawn grey,
    and negative distances make the colour scale symmetric about 0. `credit` goes into the file's metadata. The file
    is replaced whole or not at all.
    """
    finer, finer_error = rounded_head(face, error_mm)
    face_layer = Layer(finer, colour=CLAY, specular=0.05, gloss=14.0)
    skull_layer = Layer(skull, colour=BONE)
    veil = face_layer.restyled(colour=VEIL, opacity=0.24, rim_opacity=1.0, specular=0.02)
    rows: list[tuple[str, list[Layer]]] = [
        ("Reconstructed face", [face_layer]),
        ("Face over the skull", [skull_layer, veil]),
    ]
    if true_face is not None:
        rows.append(("True face", [Layer(rounded_head(true_face)[0], colour=TRUE_CLAY, specular=0.05, gloss=14.0)]))
    scale = None
    if error_mm is not None and finer_error is not None:
        scale = error_scale(error_mm)
        rows.append((error_name, [face_layer.restyled(vertex_colours=scale.colours(finer_error), relief=0.6)]))
    floor = min(float(skull.vertices[:, 1].min()), _CHIN_Y_MM) - NECK_MM
    meshes = [layer.mesh for _, layers in rows for layer in layers]
    frames = view_frames(meshes, floor)
    strips = [
        view_strip([_fade_neck(render_frame(layers, frame), frame, floor) for frame in frames]) for _, layers in rows
    ]
    page = figure_page([name for name, _ in rows], strips, frames, [] if scale is None else [scale], caption)
    save_figure(page, path, caption, credit)


def landmark_picture(
    path: Path | str,
    skull: Mesh,
    landmarks: Mapping[str, Float[np.ndarray, "3"]],
    *,
    caption: str,
    credit: str,
    views: Sequence[tuple[str, View]] = VIEWS,
) -> None:
    """Write a PNG of landmarks (name to position; head frame, mm) on a skull, each named where it can be seen."""
    layer = Layer(skull, colour=BONE)
    markers = Markers(
        np.array(list(landmarks.values()), dtype=np.float64).reshape(-1, 3), labels=tuple(landmarks), radius_mm=2.0
    )
    frames = view_frames([skull], float(skull.vertices[:, 1].min()), views, label_room(markers.labels, LABEL))
    panels = [
        draw_labels(over(render_frame([layer, markers.layer], frame), WHITE), frame, [layer], markers, size_px=LABEL)
        for frame in frames
    ]
    page = figure_page(["Landmarks"], [view_strip(panels)], frames, [], caption, disclaimer=False, views=views)
    save_figure(page, path, caption, credit)


def rounded_head(mesh: Mesh, values: np.ndarray | None = None) -> tuple[Mesh, np.ndarray | None]:
    """Head models are coarse at the crown, marching cubes are not."""
    return rounded(mesh, values) if len(mesh.vertices) <= COARSE_VERTICES else (mesh, values)


def view_frames(
    meshes: Sequence[Mesh], floor: float, views: Sequence[tuple[str, View]] = VIEWS, side_px: float = 12.0
) -> list[Frame]:
    """One scale for all views, each centred on what it shows above `floor`, with `side_px` free on either side."""
    width_px = (PAGE_WIDTH - 2 * MARGIN - (len(views) - 1) * GUTTER) // len(views)
    points = np.concatenate([mesh.vertices for mesh in meshes])
    points = points[points[:, 1] >= floor]
    local = [points @ view.axes().T for _, view in views]
    low, high = (np.array([edge(points[:, :2], axis=0) for points in local]) for edge in (np.min, np.max))
    mm_per_px = float((high - low)[:, 0].max()) / (width_px - 2.0 * min(side_px, 0.3 * width_px))
    height_px = int(np.ceil(float((high - low)[:, 1].max()) / mm_per_px)) + 24
    frames = []
    for (_, view), least, most in zip(views, low, high, strict=True):
        x, y, z = (float(value) for value in np.array([*(0.5 * (least + most)), 0.0]) @ view.axes())
        frames.append(Frame(view, width_px, height_px, mm_per_px, (x, y, z)))
    return frames


def _fade_neck(image: np.ndarray, frame: Frame, floor: float) -> UInt8[np.ndarray, "height width 3"]:
    """On white, with everything below the floor gone and the last of the neck faint."""
    rows = np.arange(frame.height_px) + 0.5
    height = (0.5 * frame.height_px - rows) * frame.mm_per_px + np.dot(frame.centre_mm, frame.view.axes()[1])
    keep = np.clip((height - floor) / NECK_FADE_MM, 0.0, 1.0)
    faded = image.copy()
    faded[..., 3] = np.rint(image[..., 3] * (keep * keep * (3.0 - 2.0 * keep))[:, None])
    return over(faded, WHITE)


def view_strip(panels: Sequence[np.ndarray]) -> Image.Image:
    """The pictures of one row, from left to right."""
    height, width = panels[0].shape[:2]
    strip = Image.new("RGB", (PAGE_WIDTH, height), "white")
    for place, panel in enumerate(panels):
        strip.paste(Image.fromarray(panel), (MARGIN + place * (width + GUTTER), 0))
    return strip


def figure_page(
    names: Sequence[str],
    strips: Sequence[Image.Image],
    frames: Sequence[Frame],
    scales: Sequence[ErrorScale],
    caption: str,
    *,
    disclaimer: bool = True,
    views: Sequence[tuple[str, View]] = VIEWS,
) -> Image.Image:
    """Headings, rows, colour bars side by side, scale bar and caption, from top to bottom."""
    caption_lines = _wrapped(caption, PAGE_WIDTH - 2 * MARGIN)
    head = round(2.2 * HEADING) if len(names) > 1 else 0
    foot = (150 if scales else 0) + 110 + len(caption_lines) * LINE + MARGIN
    height = MARGIN + HEADER + sum(head + strip.height + ROW_GAP for strip in strips) + foot
    page = Image.new("RGB", (PAGE_WIDTH, height), "white")
    pen = ImageDraw.Draw(page)
    for column, ((side, _), frame) in enumerate(zip(views, frames, strict=True)):
        middle = MARGIN + column * (frame.width_px + GUTTER) + frame.width_px // 2
        pen.text((middle, MARGIN + TEXT), side, font=font(TEXT), fill=GREY, anchor="ms")
    top = MARGIN + HEADER
    for place, (name, strip) in enumerate(zip(names, strips, strict=True)):
        if head:
            base = top + HEADING
            pen.text((MARGIN, base), "abcdefgh"[place], font=font(HEADING, bold=True), fill=INK, anchor="ls")
            pen.text((MARGIN + 1.3 * HEADING, base), name, font=font(HEADING), fill=INK, anchor="ls")
        page.paste(strip, (0, top + head))
        top += head + strip.height + ROW_GAP
    if scales:
        for place, scale in enumerate(scales):
            _colour_bar(page, pen, scale, top, (place + 0.5) / len(scales), min(900, 1500 // len(scales)))
        top += 150
    _scale_bar(pen, frames[0].mm_per_px, top + 34)
    if disclaimer:
        pen.text((PAGE_WIDTH - MARGIN, top + 22), DISCLAIMER, font=font(HEADING, bold=True), fill=INK, anchor="rt")
    top += 110
    for line in caption_lines:
        pen.text((MARGIN, top), line, font=font(TEXT), fill=INK, anchor="lt")
        top += LINE
    return page


def _wrapped(text: str, width_px: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(TEXT).getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _scale_bar(pen: ImageDraw.ImageDraw, mm_per_px: float, top: int) -> None:
    length = round(SCALE_BAR_MM / mm_per_px)
    pen.rectangle([MARGIN, top, MARGIN + length, top + 7], fill=INK)
    pen.text((MARGIN + length + 18, top + 4), f"{SCALE_BAR_MM:.0f} mm", font=font(TEXT), fill=INK, anchor="lm")


def _colour_bar(
    page: Image.Image, pen: ImageDraw.ImageDraw, scale: ErrorScale, top: int, across: float, width: int
) -> None:
    """`across` says where its middle is, as a share of the page's width."""
    height, left = 30, round(across * PAGE_WIDTH - 0.5 * width)
    ramp = scale.colours(np.linspace(scale.low_mm, scale.high_mm, width))
    page.paste(Image.fromarray(np.rint(255.0 * np.tile(ramp, (height, 1, 1))).astype(np.uint8)), (left, top))
    pen.rectangle([left, top, left + width - 1, top + height - 1], outline=GREY)
    steps = next(step for step in (4, 5, 3, 6, 2, 1) if scale.high_mm % step == 0)
    ticks = np.linspace(scale.low_mm, scale.high_mm, (2 if scale.low_mm < 0 else 1) * steps + 1)
    for tick in ticks:
        x = left + round((tick - scale.low_mm) / (scale.high_mm - scale.low_mm) * (width - 1))
        pen.line([x, top + height, x, top + height + 9], fill=GREY, width=2)
        text = f"{tick:g}".replace("-", "−")
        if scale.clipped and tick == scale.high_mm:
            text = f"≥ {text}"
        if scale.clipped and tick == scale.low_mm < 0.0:
            text = f"≤ {text}"
        pen.text((x, top + height + 18), text, font=font(TEXT), fill=INK, anchor="mt")
    pen.text((left + width + 60, top + height // 2), "mm", font=font(TEXT), fill=INK, anchor="lm")


def save_figure(page: Image.Image, path: Path | str, caption: str, credit: str, *, disclaimer: bool = True) -> None:
    """PNG with its texts, whole or not at all."""
    info = PngInfo()
    texts = [("Description", caption), ("Copyright", credit)] + [("Disclaimer", DISCLAIMER)] * disclaimer
    for key, text in texts:
        info.add_itxt(key, text)
    with whole_file(path) as unfinished:
        # Two levels less than usual: 6 % larger in half the time.
        page.save(unfinished, format="PNG", compress_level=4, pnginfo=info, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))

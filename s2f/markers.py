"""Points on a picture: small spheres that the surface can hide, and names beside it with leader lines."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.optimize import linear_sum_assignment

from fields.mesh import Mesh
from s2f.render import Frame, Layer, visible

INK = (45, 45, 48)
LEADER = (70, 70, 74)
OVERDRAW = 3
"""Leader lines are drawn this much larger and reduced, since PIL draws them jagged."""


@dataclasses.dataclass(frozen=True)
class Markers:
    """Points to show, in the head frame (mm)."""

    positions: Float[np.ndarray, "points 3"]
    colour: tuple[float, float, float] = (0.78, 0.16, 0.13)
    """sRGB, 0 to 1."""
    radius_mm: float = 1.8
    labels: tuple[str, ...] = ()
    """A name for each point, or none at all."""

    @functools.cached_property
    def layer(self) -> Layer:
        """The spheres, to be rendered with the other layers."""
        ball = _ball()
        count = len(self.positions)
        vertices = np.asarray(self.positions)[:, None] + self.radius_mm * ball.vertices
        faces = ball.faces + len(ball.vertices) * np.arange(count)[:, None, None]
        mesh = Mesh(vertices.reshape(-1, 3), faces.reshape(-1, 3))
        return Layer(mesh, colour=self.colour, specular=0.25, gloss=40.0)


def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, so that pictures look alike everywhere."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size_px)


def draw_labels(
    image: UInt8[np.ndarray, "height width 3"],
    frame: Frame,
    layers: Sequence[Layer],
    markers: Markers,
    *,
    size_px: int = 20,
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with the names of those markers that no opaque layer hides, in two columns beside the surface.

    Leave `label_room` on either side. Leader lines do not cross within a column: of all ways to deal names to places,
    the one whose lines are shortest in sum is taken, and two crossing lines could always be uncrossed into shorter
    ones.
    """
    if not markers.labels:
        return image
    seen = np.flatnonzero(visible(layers, frame, markers.positions, markers.radius_mm))
    points, _ = frame.project(np.asarray(markers.positions)[seen])
    on_page = np.all((points >= 0.0) & (points < [frame.width_px, frame.height_px]), axis=1)
    seen, points = seen[on_page], points[on_page]
    vertices = np.concatenate([frame.project(layer.mesh.vertices)[0] for layer in layers])
    gap = 1.2 * size_px
    text_font = font(size_px)
    left, right = float(vertices[:, 0].min()) - gap, float(vertices[:, 0].max()) + gap
    by_column = np.argsort(points[:, 0], kind="stable")
    half = len(by_column) // 2
    page = Image.fromarray(image)
    lines = Image.new("RGBA", (frame.width_px * OVERDRAW, frame.height_px * OVERDRAW))
    pen, line_pen = ImageDraw.Draw(page), ImageDraw.Draw(lines)
    stop = markers.radius_mm / frame.mm_per_px
    for column, anchor, chosen in ((left, "rm", by_column[:half]), (right, "lm", by_column[half:])):
        places = label_places(points[chosen], column, spacing=1.35 * size_px, height=float(frame.height_px))
        for index, place in zip(chosen, places, strict=True):
            away = place - points[index]
            end = points[index] + away * min(stop / max(float(np.linalg.norm(away)), 1e-6), 1.0)
            for colour, width in (((255, 255, 255, 170), 2.6), ((*LEADER, 255), 1.1)):
                stroke = max(round(width * size_px / 20.0 * OVERDRAW), 1)
                line_pen.line([*(place * OVERDRAW), *(end * OVERDRAW)], fill=colour, width=stroke)
            shift = -0.3 * size_px if anchor == "rm" else 0.3 * size_px
            name = markers.labels[seen[index]]
            pen.text((place[0] + shift, place[1]), name, font=text_font, fill=INK, anchor=anchor)
    reduced = lines.resize(page.size, Image.Resampling.BOX)
    page.paste(reduced, (0, 0), reduced)
    return np.asarray(page)


def label_room(labels: Sequence[str], size_px: int) -> float:
    """Pixels that `draw_labels` needs on either side of the surface."""
    return max((font(size_px).getlength(label) for label in labels), default=0.0) + 1.6 * size_px


def label_places(
    points: Float[np.ndarray, "points 2"], column: float, *, spacing: float, height: float
) -> Float[np.ndarray, "points 2"]:
    """Where the label of each point goes in a column of labels `spacing` apart: near its point, lines not crossing."""
    if len(points) == 0:
        return np.zeros((0, 2))
    spacing = min(spacing, height / len(points))
    rows = _spread(np.sort(points[:, 1]), spacing)
    rows += max(0.5 * spacing - rows[0], 0.0)
    rows = np.minimum(rows, height - spacing * (len(rows) - np.arange(len(rows)) - 0.5))
    slots = np.stack([np.full(len(rows), column), rows], axis=1)
    lengths = np.linalg.norm(points[:, None] - slots[None], axis=-1)
    return slots[linear_sum_assignment(lengths)[1]]


def _spread(rows: np.ndarray, spacing: float) -> np.ndarray:
    """Ascending rows at least `spacing` apart with the least squared movement (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value in rows - spacing * np.arange(len(rows)):
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return np.concatenate([np.full(size, mean) for mean, size in blocks]) + spacing * np.arange(len(rows))


@functools.cache
def _ball() -> Mesh:
    """A unit sphere: an octahedron halved three times."""
    vertices = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(3):
        corners = vertices[faces]
        middles = 0.5 * (corners + np.roll(corners, -1, axis=1))
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = middles[:, 0], middles[:, 1], middles[:, 2]
        soup = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
        soup /= np.linalg.norm(soup, axis=1, keepdims=True)
        _, first, inverse = np.unique(np.round(soup, 6), axis=0, return_index=True, return_inverse=True)
        vertices, faces = soup[first], inverse.reshape(-1, 3)
    return Mesh(vertices, faces.astype(np.int64))

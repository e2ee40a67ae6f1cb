"""Still pictures of meshes without a display: an orthographic camera on rays, in the head frame.

Pixels are sampled once at their centres; only those that differ from a neighbour are sampled again on a finer grid
(Whitted 1980), so edges are clean and smooth skin costs one ray.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from fields.mesh import Mesh
from s2f.shading import Surface, shade, to_linear, to_srgb

SUBSAMPLES = 3
"""An edge pixel is sampled SUBSAMPLES × SUBSAMPLES times."""
EDGE_CONTRAST = 0.025
"""A pixel whose tone or coverage differs this much from a neighbour's is an edge."""


@dataclasses.dataclass(frozen=True)
class View:
    """Where the camera stands. At azimuth 0 it looks along −z at the face, with the subject's left on the right."""

    azimuth_deg: float
    """Turn towards the subject's left."""
    elevation_deg: float = 0.0
    """Rise above the Frankfurt plane; below 90."""

    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Unit vectors in the head frame, in rows: image right, image up, towards the camera."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        towards = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
        )
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        return np.stack([right, np.cross(towards, right), towards])


FRONT = View(0.0)
THREE_QUARTER = View(40.0)
SIDE = View(90.0)
"""The left profile, looking to the left of the picture: norma lateralis sinistra."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """A mesh and how it looks. Rays and ambient light are computed on first use: keep a layer for several views."""

    mesh: Mesh
    """In the head frame, mm; open or closed."""
    colour: tuple[float, float, float] = (0.85, 0.81, 0.74)
    """sRGB, 0 to 1."""
    opacity: float = 1.0
    """Where the surface faces the viewer; 1 hides what lies behind."""
    rim_opacity: float | None = None
    """Where it is seen edge-on, so that a translucent face keeps its outline; None: as `opacity`."""
    vertex_colours: Float[np.ndarray, "vertices 3"] | None = None
    """sRGB per vertex, 0 to 1, instead of `colour`."""
    specular: float = 0.05
    """Strength of the highlight."""
    gloss: float = 18.0
    """Sharpness of the highlight."""
    relief: float = 1.0
    """How far light and shade may change the colours; less where colours are to be read off."""

    @functools.cached_property
    def surface(self) -> Surface:
        """The mesh prepared for rays."""
        return Surface(self.mesh)

    @functools.cached_property
    def at_pixels(self) -> dict[Frame, Seen]:
        """What the middles of a picture's pixels saw of the mesh, filled as pictures are drawn."""
        return {}

    def restyled(self, **changes: Any) -> Layer:
        """The same mesh with another look; what rays found and find is shared."""
        other = dataclasses.replace(self, **changes)
        if other.mesh is self.mesh:
            other.__dict__.update(surface=self.surface, at_pixels=self.at_pixels)
        return other


@dataclasses.dataclass(frozen=True)
class Frame:
    """An orthographic picture plane."""

    view: View
    width_px: int
    height_px: int
    mm_per_px: float
    centre_mm: tuple[float, float, float]
    """The point of the head frame in the middle of the picture."""

    def project(
        self, points: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
        """Pixel coordinates (column, row; the first pixel spans 0 to 1) and nearness to the viewer in mm."""
        local = (np.asarray(points, dtype=np.float64) - np.asarray(self.centre_mm)) @ self.view.axes().T
        middle = 0.5 * np.array([self.width_px, self.height_px])
        return middle + local[:, :2] * np.array([1.0, -1.0]) / self.mm_per_px, local[:, 2]

    def pixels(self) -> Float[np.ndarray, "pixels 2"]:
        """Pixel coordinates of the pixels' middles, row by row."""
        rows, columns = np.mgrid[: self.height_px, : self.width_px].reshape(2, -1)
        return np.stack([columns, rows], axis=1) + 0.5

    def ray_origins(self, columns_rows: Float[np.ndarray, "rays 2"], nearness_mm: float) -> Float[np.ndarray, "rays 3"]:
        """Points of the head frame behind pixel coordinates, on the plane `nearness_mm` before the centre."""
        middle = 0.5 * np.array([self.width_px, self.height_px])
        plane = (columns_rows - middle) * np.array([1.0, -1.0]) * self.mm_per_px
        right, up, towards = self.view.axes()
        return np.asarray(self.centre_mm) + plane[:, :1] * right + plane[:, 1:] * up + nearness_mm * towards


@dataclasses.dataclass(frozen=True)
class Seen:
    """What rays saw of a mesh, in single precision from the hit on: it is ample for 8 bits and twice as fast."""

    found: Int[np.ndarray, " hits"]
    """Which rays hit it."""
    depth: Float[np.ndarray, " hits"]
    """In mm behind the plane of the frame's centre."""
    corners: Int[np.ndarray, "hits 3"]
    """Vertices of the triangles that were hit …"""
    weights: Float[np.ndarray, "hits 3"]
    """… and how much each counts."""
    normals: Float[np.ndarray, "hits 3"]
    """Unit, in the camera's axes, towards the viewer."""
    ambient: Float[np.ndarray, " hits"]
    """Share of the sky that is seen from there."""

    def of(self, values: Float[np.ndarray, "vertices numbers"]) -> Float[np.ndarray, "hits numbers"]:
        """Values of vertices where the mesh was hit."""
        return _interpolated(values, self.corners, self.weights)


def render(
    layers: Sequence[Layer],
    view: View,
    *,
    width_px: int,
    height_px: int,
    mm_per_px: float,
    centre_mm: Sequence[float] | Float[np.ndarray, "3"],
) -> UInt8[np.ndarray, "height width 4"]:
    """Picture of `layers` (head frame, mm) as sRGB with straight alpha; 0 where nothing is.

    At each pixel the first hits of the layers are composited front to back, so a translucent layer shows what lies
    behind its nearest surface, not its own far side. The first hit of a layer that is wound inside out is shaded all
    the same.
    """
    frame = Frame(view, width_px, height_px, mm_per_px, (float(centre_mm[0]), float(centre_mm[1]), float(centre_mm[2])))
    return render_frame(layers, frame)


def render_frame(layers: Sequence[Layer], frame: Frame) -> UInt8[np.ndarray, "height width 4"]:
    """`render` for a ready-made frame."""
    centres = frame.pixels()
    image = _sample(layers, frame, None)
    edge = np.flatnonzero(_edges(image.reshape(frame.height_px, frame.width_px, 4)).ravel())
    offsets = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5
    grid = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
    finer = _sample(layers, frame, (centres[edge, None] + grid).reshape(-1, 2))
    image[edge] = finer.reshape(len(edge), SUBSAMPLES**2, 4).mean(axis=1)
    result = np.zeros((len(image), 4), dtype=np.uint8)
    drawn = np.flatnonzero(image[:, 3] > 0.0)
    alpha = image[drawn, 3:]
    result[drawn] = np.rint(255.0 * np.concatenate([to_srgb(image[drawn, :3] / alpha), alpha], axis=-1))
    return result.reshape(frame.height_px, frame.width_px, 4)


def over(
    image: UInt8[np.ndarray, "height width 4"], background: Sequence[float]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture on a plain background (sRGB, 0 to 1), mixed as light mixes."""
    alpha = image[..., 3:] / 255.0
    mixed = to_linear(image[..., :3] / 255.0) * alpha + to_linear(np.asarray(background, dtype=np.float64)) * (
        1.0 - alpha
    )
    return np.rint(255.0 * to_srgb(mixed)).astype(np.uint8)


def visible(
    layers: Sequence[Layer], frame: Frame, points: Float[np.ndarray, "points 3"], radius_mm: float
) -> Bool[np.ndarray, " points"]:
    """Of which balls around `points` the opaque layers leave a good part to be seen."""
    right, up, towards = frame.view.axes()
    turn = np.arange(8) * (np.pi / 4.0)
    ring = 0.75 * (np.cos(turn)[:, None] * right + np.sin(turn)[:, None] * up)
    places = radius_mm * np.concatenate([towards[None], ring + 0.66 * towards])
    origins = (np.asarray(points, dtype=np.float64)[:, None] + places).reshape(-1, 3)
    open_sky = np.ones(len(origins), dtype=bool)
    for layer in layers:
        if layer.opacity >= 1.0:
            hits = layer.surface.scene.cast(origins, np.broadcast_to(towards, origins.shape))
            open_sky &= ~hits.hit
    return np.any(open_sky.reshape(-1, len(places)), axis=1)


def _sample(layers: Sequence[Layer], frame: Frame, columns_rows: np.ndarray | None) -> np.ndarray:
    """Premultiplied linear RGBA at pixel coordinates, or in the middles of all pixels."""
    count = frame.width_px * frame.height_px if columns_rows is None else len(columns_rows)
    samples = [_sample_layer(layer, frame, columns_rows, count) for layer in layers if len(layer.mesh.faces)]
    if len(samples) == 1:
        return samples[0][1]
    result = np.zeros((count, 4), dtype=np.float32)
    if not samples:
        return result
    some = np.flatnonzero(np.any([colour[:, 3] > 0.0 for _, colour in samples], axis=0))
    depth = np.stack([layer_depth[some] for layer_depth, _ in samples])
    colours = np.stack([colour[some] for _, colour in samples])
    mixed = result[some]
    for place in np.argsort(depth, axis=0, kind="stable"):
        mixed += (1.0 - mixed[:, 3:]) * colours[place, np.arange(len(some))]
    result[some] = mixed
    return result


def _sample_layer(
    layer: Layer, frame: Frame, columns_rows: np.ndarray | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm behind the centre's plane (infinite where missed) and premultiplied linear RGBA of one layer."""
    if columns_rows is not None:
        seen = _seen(layer, frame, columns_rows)
    else:
        # Rows of a figure show one mesh in several looks.
        if frame not in layer.at_pixels:
            layer.at_pixels[frame] = _seen(layer, frame, frame.pixels())
        seen = layer.at_pixels[frame]
    if layer.vertex_colours is None:
        albedo = np.broadcast_to(
            to_linear(np.asarray(layer.colour, dtype=np.float64)).astype(np.float32), seen.normals.shape
        )
    else:
        albedo = seen.of(to_linear(layer.vertex_colours))
    light = shade(albedo, seen.normals, seen.ambient, specular=layer.specular, gloss=layer.gloss)
    light = layer.relief * light + (1.0 - layer.relief) * albedo
    rim = layer.opacity if layer.rim_opacity is None else layer.rim_opacity
    alpha = layer.opacity + (rim - layer.opacity) * (1.0 - seen.normals[:, 2]) ** 1.5
    depth = np.full(count, np.inf)
    colour = np.zeros((count, 4), dtype=np.float32)
    depth[seen.found] = seen.depth
    colour[seen.found] = np.concatenate([np.clip(light, 0.0, 1.0) * alpha[:, None], alpha[:, None]], axis=1)
    return depth, colour


def _seen(layer: Layer, frame: Frame, columns_rows: np.ndarray) -> Seen:
    """The first hits of rays through pixel coordinates."""
    projected, nearness = frame.project(layer.mesh.vertices)
    inside = np.all((columns_rows >= projected.min(axis=0)) & (columns_rows <= projected.max(axis=0)), axis=1)
    candidates = np.flatnonzero(inside)
    near = float(nearness.max()) + 1.0
    axes = frame.view.axes()
    origins = frame.ray_origins(columns_rows[candidates], near)
    hits = layer.surface.scene.cast(origins, np.broadcast_to(-axes[2], origins.shape))
    corners = layer.mesh.faces[hits.face_ids[hits.hit]]
    weights = hits.barycentric[hits.hit].astype(np.float32)
    normals = _interpolated(layer.surface.normals @ axes.T, corners, weights)
    normals /= np.maximum(np.sqrt(np.einsum("pd,pd->p", normals, normals)), 1e-6)[:, None]
    # An interpolated normal may lean away from the viewer at an outline; inside out it does so everywhere.
    normals[:, 2] = np.abs(normals[:, 2])
    return Seen(
        found=candidates[hits.hit],
        depth=hits.distance[hits.hit] - near,
        corners=corners,
        weights=weights,
        normals=normals,
        ambient=_interpolated(layer.surface.ambient[:, None], corners, weights)[:, 0],
    )


def _interpolated(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    return sum(weights[:, corner, None] * values[corners[:, corner]] for corner in range(3))


def _edges(image: np.ndarray) -> np.ndarray:
    """Pixels that differ from one of their four neighbours."""
    tone = np.sqrt(np.maximum(image, 0.0))  # near enough to sRGB, and fast
    edge = np.zeros(tone.shape[:2], dtype=bool)
    down = np.abs(np.diff(tone, axis=0)).max(axis=-1) > EDGE_CONTRAST
    across = np.abs(np.diff(tone, axis=1)).max(axis=-1) > EDGE_CONTRAST
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge

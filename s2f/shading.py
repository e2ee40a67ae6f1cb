"""Light on a surface: what makes the still pictures readable.

The lamps hang on the camera, so that every view of a head is lit alike: a warm key from the upper left, a cool fill
from the right, a rim from behind, and a sky that the surface's own shape partly hides (ambient occlusion). All sums
are of linear light; colours enter and leave as sRGB.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from fields.distance import DistanceScene
from fields.mesh import Mesh

AMBIENT_RAYS = 48
"""Directions per vertex; the grain that is left goes with `AMBIENT_SMOOTHING`."""
AMBIENT_SMOOTHING = 2
"""Rounds of averaging the ambient light over neighbouring vertices."""
AMBIENT_REACH_MM = 60.0
"""A blocker this far away hides 1/e of the sky behind it, a nearer one more: sockets go dark, a neck does not."""


@dataclasses.dataclass(frozen=True)
class Lamp:
    """A distant light, in the camera's axes."""

    direction: tuple[float, float, float]
    """Towards the lamp: image right, image up, towards the viewer. Any length."""
    colour: tuple[float, float, float]
    """Linear red, green and blue it adds to a white surface that faces it."""
    wrap: float = 0.0
    """How far the light creeps past the terminator: 0 a point, towards 1 a large soft box."""


KEY = Lamp((-0.62, 0.66, 0.58), (1.12, 1.085, 1.02), wrap=0.15)
FILL = Lamp((0.85, 0.10, 0.55), (0.13, 0.14, 0.16), wrap=0.3)
RIM = Lamp((0.60, 0.55, -0.75), (0.30, 0.31, 0.33))
SKY = (0.30, 0.31, 0.33)
GROUND = (0.12, 0.11, 0.10)


class Surface:
    """A mesh prepared for pictures: rays, smooth normals and the share of the sky that each vertex sees."""

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        self.scene = DistanceScene(mesh)
        self.normals = mesh.vertex_normals()
        self.ambient = ambient_visibility(self.scene, self.normals)


def ambient_visibility(
    scene: DistanceScene, normals: Float[np.ndarray, "vertices 3"], reach_mm: float = AMBIENT_REACH_MM
) -> Float[np.ndarray, " vertices"]:
    """Share of the sky that each vertex sees, 0 to 1, cosine-weighted, near blockers counting for more than far ones.

    Obscurance of Zhukov, Iones and Kronin (1998), by rays along a spherical Fibonacci set that is turned by a fixed
    pseudo-random angle at each vertex, then averaged over neighbours.
    """
    vertices = scene.mesh.vertices
    count = len(vertices)
    if count == 0:
        return np.zeros(0)
    tangent, bitangent = _tangents(normals)
    turn = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, count)
    origins = vertices + normals * (1e-4 * scene.mesh.diagonal())
    seen = np.zeros(count)
    golden = np.pi * (3.0 - np.sqrt(5.0))
    for ray in range(AMBIENT_RAYS):
        sine = np.sqrt((ray + 0.5) / AMBIENT_RAYS)  # cosine-weighted: uniform on the disc below the hemisphere
        angle = ray * golden + turn
        directions = (
            tangent * (sine * np.cos(angle))[:, None]
            + bitangent * (sine * np.sin(angle))[:, None]
            + normals * np.sqrt(1.0 - sine**2)
        )
        seen += 1.0 - np.exp(-scene.cast(origins, directions).distance / reach_mm)
    return _smoothed(scene.mesh, seen / AMBIENT_RAYS)


def shade(
    albedo: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
    ambient: Float[np.ndarray, " points"],
    *,
    specular: float,
    gloss: float,
) -> Float[np.ndarray, "points 3"]:
    """Linear light that leaves surface points towards the viewer.

    `albedo` is linear, `normals` are unit vectors in the camera's axes (right, up, towards the viewer), `ambient` is
    the visible share of the sky. `specular` is the strength of the highlight (0 is matt), `gloss` its Blinn–Phong
    exponent.
    """
    visible = np.clip(ambient, 0.0, 1.0)[:, None]
    # Light that bounces between pale walls reaches where the sky does not: Jimenez et al. (2016), eq. 10.
    bounced = np.maximum(
        visible,
        ((visible * (2.0404 * albedo - 0.3324) + (0.6417 - 4.7951 * albedo)) * visible + (2.7552 * albedo + 0.6903))
        * visible,
    )
    sky, ground = np.array(SKY, dtype=albedo.dtype), np.array(GROUND, dtype=albedo.dtype)
    light = bounced * (ground + (0.5 + 0.5 * normals[:, 1:2]) * (sky - ground))
    # The lamps are large: a crease that sees little of the sky sees still less of them.
    soft = visible**1.6
    for lamp in (KEY, FILL, RIM):
        cosine = normals @ _unit(lamp.direction).astype(albedo.dtype)
        strength = soft[:, 0] * np.maximum(cosine + lamp.wrap, 0.0) / (1.0 + lamp.wrap)
        light += strength[:, None] * np.array(lamp.colour, dtype=albedo.dtype)
    colour = albedo * light
    if specular > 0.0:
        halfway = _unit(_unit(KEY.direction) + np.array([0.0, 0.0, 1.0])).astype(albedo.dtype)
        highlight = visible[:, 0] * np.maximum(normals @ halfway, 0.0) ** gloss
        colour += highlight[:, None] * (specular * np.array(KEY.colour, dtype=albedo.dtype))
    return colour


def to_linear(srgb: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Linear light of sRGB values 0 to 1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """sRGB values 0 to 1 of linear light, clipped (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1.0 / 2.4) - 0.055)


def _tangents(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    helper = np.where(np.abs(normals[:, :1]) < 0.7, np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]))
    tangent = np.cross(helper, normals)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    bitangent = np.cross(normals, tangent)
    # A vertex without area has no normal; give its rays some direction rather than none.
    return tangent, np.where(np.any(bitangent, axis=1, keepdims=True), bitangent, np.array([[0.0, 0.0, 1.0]]))


def _smoothed(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(edges[:, 0], minlength=len(values))
    for _ in range(AMBIENT_SMOOTHING):
        total = np.bincount(edges[:, 0], values[edges[:, 1]], minlength=len(values))
        values = np.where(degree > 0, 0.5 * values + 0.5 * total / np.maximum(degree, 1), values)
    return values


def _unit(vector: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    return np.asarray(vector) / np.linalg.norm(vector)

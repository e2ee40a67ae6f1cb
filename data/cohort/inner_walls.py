"""Walls inside a skull that a CT shows and a laser scan does not: the endocranium, nasal cavity and sinuses.

The template is solid bone. Its cavities are made by rule. The endocranium lies a bone's thickness beneath the outside
and above a floor of three steps (anterior, middle and posterior fossa); it opens through the foramen magnum. Nasal
cavity, maxillary and frontal sinuses are rounded boxes between landmarks, each behind a thin wall of bone. Thicknesses
are guesses of ours within what textbooks give (White, Black & Folkens, Human Osteology, 3rd ed. 2012): a vault of 5 to
8 mm, thin temporal squamae, a frontal bone thick enough in front for a sinus.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from data.cleaning import decimate
from data.cohort.joined import joined
from data.cohort.outline import loops
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.narrow_band import sample_band

_VAULT_MM = 6.0
_GLABELLA_MM = 8.0
"""What the frontal bone has more than the vault at glabella: there the sinus lies."""
_INION_MM = 3.0
_SQUAMA_MM = -2.5
_SINUS_WALL_MM = 1.8
_FORAMEN_MM = (15.0, 18.0)
"""Half breadth and half length of the foramen magnum."""
_FORAMEN_BEHIND_MM = 14.0
"""Its middle, behind the poria."""
_RIM_MM = 2.5
_CANAL_END_MM = 1.0
"""How far under the outside the foramen's canal ends and its rim begins."""
_SPACING_MM = 3.0
_SINUS_SPACING_MM = 1.5
_FACES = {"endocranium": 5000, "cavity": 700}


@dataclasses.dataclass(frozen=True)
class InnerWalls:
    """Cavities of a solid skull. Head frame, mm."""

    walls: Mesh
    """All cavities; normals point out of the bone, into them."""
    foramen: Bool[np.ndarray, " faces"]
    """The skull's own triangles that close the foramen magnum; they go where the walls are shown."""
    rim: Int[np.ndarray, "rim 3"]
    """Triangles that join the outside, with `foramen` gone, to the walls; they count the skull's vertices first."""


def make_inner_walls(skull: Mesh, landmarks: Mapping[str, np.ndarray]) -> InnerWalls:
    """Hollow a solid, closed skull whose landmarks are known."""
    scene = DistanceScene(skull)
    cavities = [_endocranium(scene, landmarks)]
    cavities += [_cavity(scene, *box) for box in _boxes(landmarks)]
    # Marching cubes wind away from the cavity; the bone is on its other side.
    walls = joined([Mesh(cavity.vertices, cavity.faces[:, ::-1]) for cavity in cavities])
    middles = skull.vertices[skull.faces].mean(axis=1)
    under = (middles[:, 1] < 0.0) & (skull.face_normals()[:, 1] < -0.3)
    # Somewhat more than the canal's own width: the rim fills what is left between.
    foramen = under & (_foramen(middles, landmarks) < _RIM_MM)
    return InnerWalls(walls, foramen, _rim(skull, foramen, walls))


def _rim(skull: Mesh, foramen: np.ndarray, walls: Mesh) -> np.ndarray:
    """Zips the edge of the outside to the edge of the canal, always by the shorter of two triangles' new sides."""
    outer = max(loops(skull.faces[~foramen]), key=len)
    inner = max(loops(walls.faces), key=len)[::-1]
    far = np.linalg.norm(walls.vertices[inner] - skull.vertices[outer[0]], axis=1)
    inner = np.roll(inner, -int(np.argmin(far)))
    a, b = skull.vertices[np.append(outer, outer[0])], walls.vertices[np.append(inner, inner[0])]
    outer, inner = np.append(outer, outer[0]), np.append(inner, inner[0]) + len(skull.vertices)
    triangles, k, j = [], 0, 0
    while k < len(a) - 1 or j < len(b) - 1:
        along_outer = np.linalg.norm(a[k + 1] - b[j]) if k < len(a) - 1 else np.inf
        along_inner = np.linalg.norm(a[k] - b[j + 1]) if j < len(b) - 1 else np.inf
        if along_outer < along_inner:
            triangles.append([outer[k], outer[k + 1], inner[j]])
            k += 1
        else:
            triangles.append([inner[j + 1], inner[j], outer[k]])
            j += 1
    return np.array(triangles, dtype=np.int32)


def _foramen(points: np.ndarray, landmarks: Mapping[str, np.ndarray]) -> np.ndarray:
    """About the distance to the wall of the foramen's canal, negative inside."""
    porion = (landmarks["po_l"] + landmarks["po_r"]) / 2
    across, along = (points[..., axis] - porion[axis] for axis in (0, 2))
    radius = np.hypot(across / _FORAMEN_MM[0], (along + _FORAMEN_BEHIND_MM) / _FORAMEN_MM[1])
    return (radius - 1.0) * min(_FORAMEN_MM)


def _endocranium(scene: DistanceScene, landmarks: Mapping[str, np.ndarray]) -> Mesh:
    porion = (landmarks["po_l"] + landmarks["po_r"]) / 2
    inion = np.array([0.0, landmarks["op"][1] - 40.0, landmarks["op"][2] + 12.0])

    def thickness(points: np.ndarray) -> np.ndarray:
        def bump(centre: np.ndarray, reach: float) -> np.ndarray:
            return np.exp(-0.5 * ((points - centre) ** 2).sum(axis=-1) / reach**2)

        squama = sum(bump(porion + np.array([side * 68.0, 35.0, 25.0]), 20.0) for side in (-1.0, 1.0))
        return (
            _VAULT_MM + _GLABELLA_MM * bump(landmarks["g"], 15.0) + _INION_MM * bump(inion, 15.0) + _SQUAMA_MM * squama
        )

    def floor(points: np.ndarray) -> np.ndarray:
        """Height of the base under each point: anterior fossa, middle fossa beside the sella, posterior fossa."""
        across, along = np.abs(points[..., 0] - porion[0]), points[..., 2] - porion[2]
        orbit = (landmarks["mso_l"][1] + landmarks["mso_r"][1]) / 2
        anterior = orbit - 6.0 - 7.0 * np.exp(-0.5 * (across / 9.0) ** 2)
        middle = porion[1] + 25.0 - 19.0 * _step(across, 10.0, 24.0)
        posterior = np.full_like(across, porion[1] - 8.0)
        # The sphenoid's lesser wing, and the petrous ridge with the clivus between both of them.
        base = middle + (anterior - middle) * _step(along, 46.0, 54.0)
        petrous = porion[1] + 14.0
        ridge = (petrous - base) * np.exp(-0.5 * ((along - 14.0) / 7.0) ** 2) * (across > 24.0)
        return posterior + (base + np.maximum(ridge, 0.0) - posterior) * _step(along, 2.0, 26.0)

    def field(points: np.ndarray) -> np.ndarray:
        outside = scene.signed_distance(points)
        # The floor is no steeper than two, so that half of the height over it is never more than the distance.
        brain = _smooth_maximum(outside + thickness(points), 0.6 * (floor(points) - points[..., 1]), 3.0)
        canal = np.maximum(_foramen(points, landmarks), points[..., 1] - (porion[1] + 2.0))
        canal = np.maximum(canal, outside + _CANAL_END_MM)
        return np.minimum(brain, canal)

    low, high = scene.mesh.vertices.min(axis=0), scene.mesh.vertices.max(axis=0)
    low = np.array([low[0], landmarks["po_l"][1] - 26.0, low[2]])
    surface = decimate(sample_band(field, low, high, _SPACING_MM).surface(), _FACES["endocranium"])
    middles = surface.vertices[surface.faces].mean(axis=1)
    end = (scene.signed_distance(middles) > -_CANAL_END_MM - 1.2) & (_foramen(middles, landmarks) < -1.0)
    used, faces = np.unique(surface.faces[~end], return_inverse=True)
    return Mesh(surface.vertices[used], faces.reshape(-1, 3).astype(np.int32))


def _boxes(landmarks: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Middles and half sizes of the cavities of the face."""
    orbit_floor = (landmarks["or_l"][1] + landmarks["or_r"][1]) / 2
    nasal_floor = landmarks["ac_l"][1] - 6.0
    roof, front, back = landmarks["n"][1] - 4.0, landmarks["ac_l"][2] + 2.0, landmarks["zy_l"][2] + 4.0
    boxes = [
        (
            np.array([side * 7.0, (roof + nasal_floor) / 2, (front + back) / 2]),
            np.array([6.0, (roof - nasal_floor) / 2, (front - back) / 2]),
        )
        for side in (1.0, -1.0)
    ]
    for side in ("l", "r"):
        cheek, tooth = landmarks[f"mio_{side}"], landmarks[f"ecm2(s)_{side}"]
        low = tooth[1] + 9.0
        boxes.append(
            (
                np.array([0.92 * cheek[0], (orbit_floor + low) / 2, (cheek[2] + tooth[2]) / 2 - 3.0]),
                np.array([12.0, (orbit_floor - low) / 2, (cheek[2] - tooth[2]) / 2 + 6.0]),
            )
        )
        brow = landmarks[f"mso_{side}"]
        glabella = landmarks["g"]
        boxes.append((np.array([0.42 * brow[0], glabella[1] + 5.0, glabella[2] - 6.0]), np.array([10.0, 11.0, 4.5])))
    return boxes


def _cavity(scene: DistanceScene, middle: np.ndarray, half: np.ndarray) -> Mesh:
    def field(points: np.ndarray) -> np.ndarray:
        # Between a box and an ellipsoid: the fourth power rounds corners and leaves the walls flat.
        radius = (((points - middle) / half) ** 4).sum(axis=-1) ** 0.25
        return _smooth_maximum((radius - 1.0) * half.min(), scene.signed_distance(points) + _SINUS_WALL_MM, 1.0)

    return decimate(
        sample_band(field, middle - half - 3.0, middle + half + 3.0, _SINUS_SPACING_MM).surface(), _FACES["cavity"]
    )


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, without a kink."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _smooth_maximum(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """The larger of two, rounded where they are about equal; never less than it, so a cavity only gets smaller."""
    return np.maximum(a, b) + radius / 4 * np.clip(1.0 - np.abs(a - b) / radius, 0.0, 1.0) ** 2

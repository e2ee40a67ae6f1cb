"""The skull that belongs to a head: the template skull warped until every depth between bone and skin is as the table
says.

Each control is a bone point with the direction in which its depth is measured. Midline controls sit behind their own
soft-tissue partner (subspinale behind subnasale, and so on); the others slide along their direction until the ray to
the skin is as long as wanted. Each control is then tied to the skin point that its ray meets, so that the skull of
any other head is linear in the head's coefficients and the depths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from data.landmark_rules import frankfurt_transform
from data.landmarks import ALL_KEYS, abbreviation_of
from data.soft_landmarks import soft_landmarks
from data.tissue_depth import TissueDepths
from data.warp import similarity, thin_plate_matrix
from fields.distance import DistanceScene, SurfacePoints
from fields.mesh import Mesh, transform_points

PARTNER: Mapping[str, str] = {
    "n": "se", "ss": "sn", "pr": "ls", "id": "li", "sm": "sm", "pg": "pg", "gn": "gn", "me": "me",
}  # fmt: skip
"""Midline bone landmarks and the soft-tissue points they are paired with in the depth table."""

EXTRA_DEPTHS_MM: Mapping[str, float] = {"eu": 8.0, "ft": 7.0, "fe": 5.0, "vault": 5.0, "po": 9.0}
"""Depths where the table has none: euryon, frontotemporale, frontal eminence, points spread over the vault, porion
(to the floor of the concha). Guesses of ours; they shape vault and ear only."""
VAULT_POINTS = 12
HAIR_CAP_MM = 3.0
"""What scanned head models carry on the scalp over a bald head. A guess of ours; the scalp is never scored."""
SCALP = ("op", "v", "eu", "vault")
NORMAL_RADIUS_MM = 5.0
"""Bone normals are averaged over this radius: a depth must not follow one tooth."""
BONE_COVER_MM = 2.0
"""Skin that any part of the bone keeps over itself, where the head model allows."""
COVER_SPACING_MM = 7.0
"""Controls that push bone under the skin keep this distance from all others."""


@dataclasses.dataclass(frozen=True)
class SkullInHead:
    """A skull inside the mean head; everything in the head frame (mm)."""

    skull: Mesh
    """The warped template."""
    landmarks: dict[str, Float[np.ndarray, "3"]]
    """All 40 points, on the skull."""
    control_names: tuple[str, ...]
    controls: Float[np.ndarray, "controls 3"]
    """Bone points that drive the warp."""
    directions: Float[np.ndarray, "controls 3"]
    """Unit vectors from bone to skin, along which each depth is measured."""
    depths: Float[np.ndarray, " controls"]
    """Length of the ray from each control to the skin of the mean head, mm."""
    ties: SurfacePoints
    """Where each control's ray meets the mean head."""
    T_head_model: Float[np.ndarray, "4 4"]
    """Head model's frame (mm) to head frame, rigid."""


def fit_skull(
    head: Mesh,
    eyes: Float[np.ndarray, "2 3"],
    template: Mesh,
    template_landmarks: Mapping[str, np.ndarray],
    depths: TissueDepths,
    rounds: int = 40,
) -> SkullInHead:
    """Warp a template skull into a closed mean head (mm, y up, z forward).

    `eyes` are the centres of the left and right eyeball; `template_landmarks` the 40 points on the template, in its
    own coordinates.
    """
    soft = soft_landmarks(head)
    skin = DistanceScene(head)
    names = [key for key in ALL_KEYS if not key.startswith("or")]
    sources = dict(template_landmarks) | _vault_controls(template, template_landmarks)
    names += [key for key in sources if key not in template_landmarks]
    source = np.stack([sources[key] for key in names])
    normals = smoothed_normals(template, source, NORMAL_RADIUS_MM / _nominal_scale(template_landmarks, soft))
    midline = np.array([not key.endswith(("_l", "_r")) for key in names])
    wanted = np.array([_wanted_depth(key, depths) for key in names])

    start = _first_similarity(sources, soft, eyes)
    rotation = start[:3, :3] / np.cbrt(np.linalg.det(start[:3, :3]))
    directions = _ray_directions(names, normals @ rotation.T)
    target = transform_points(start, source)
    target[midline, 0] = 0.0
    for _ in range(rounds):
        hits = skin.cast(target, directions)
        step = np.where(hits.hit, np.clip(hits.distance - wanted, -8.0, 8.0), -4.0)
        target = target + 0.6 * step[:, None] * directions
        for row, key in enumerate(names):
            if key in PARTNER:
                behind = soft[PARTNER[key]] - wanted[row] * directions[row]
                target[row] += 0.6 * (behind - target[row])
        target += 0.5 * _tangential_shift(names, target, eyes, soft)
        target = _mirrored(names, target)
    hits = skin.cast(target, directions)
    moved = template.transformed(start)
    controls = _Controls(
        names, transform_points(start, source), target, directions, hits.distance, hits.face_ids, hits.barycentric
    )
    controls, skull = _covered(controls, moved, head, skin)
    marks = np.stack([template_landmarks[key] for key in ALL_KEYS])
    near = DistanceScene(template).closest(marks)
    landmarks = dict(zip(ALL_KEYS, near.on(skull), strict=True))
    frame = frankfurt_transform(landmarks)
    return SkullInHead(
        skull=skull.transformed(frame),
        landmarks={key: transform_points(frame, point) for key, point in landmarks.items()},
        control_names=tuple(controls.names),
        controls=transform_points(frame, controls.target),
        directions=controls.directions @ frame[:3, :3].T,
        depths=controls.depths,
        ties=SurfacePoints(
            transform_points(frame, controls.target + controls.depths[:, None] * controls.directions),
            controls.face_ids,
            controls.barycentric,
        ),
        T_head_model=frame,
    )


@dataclasses.dataclass(frozen=True)
class _Controls:
    """The warp's controls while they are being found, in the head model's frame."""

    names: list[str]
    source: np.ndarray
    target: np.ndarray
    directions: np.ndarray
    depths: np.ndarray
    face_ids: np.ndarray
    barycentric: np.ndarray

    def warp(self, mesh: Mesh) -> Mesh:
        matrix = thin_plate_matrix(self.source, mesh.vertices)
        return Mesh(mesh.vertices + matrix @ (self.target - self.source), mesh.faces)


def _covered(
    controls: _Controls, template: Mesh, head: Mesh, skin: DistanceScene, most: int = 80
) -> tuple[_Controls, Mesh]:
    """Push bone under the skin: the least covered vertex and its mirror image become controls, until none lies bare."""
    normals = head.face_normals()
    for _ in range(most):
        skull = controls.warp(template)
        cover = -skin.signed_distance(skull.vertices)
        # Two controls close to each other that disagree would fold the warp.
        cover[_squared_distance(template.vertices, controls.source) < COVER_SPACING_MM**2] = np.inf
        if cover.min() > BONE_COVER_MM:
            break
        worst = int(np.argmin(cover))
        mirror = int(np.argmin(((skull.vertices - skull.vertices[worst] * [-1, 1, 1]) ** 2).sum(axis=1)))
        rows = np.array([worst] if abs(skull.vertices[worst, 0]) < 8.0 else [worst, mirror])
        near = skin.closest(skull.vertices[rows])
        outward = normals[near.face_ids]
        depth = np.full(len(rows), BONE_COVER_MM + 1.5)
        controls = _Controls(
            controls.names + [f"cover{len(controls.names) + k}" for k in range(len(rows))],
            np.concatenate([controls.source, template.vertices[rows]]),
            np.concatenate([controls.target, near.points - depth[:, None] * outward]),
            np.concatenate([controls.directions, outward]),
            np.concatenate([controls.depths, depth]),
            np.concatenate([controls.face_ids, near.face_ids]),
            np.concatenate([controls.barycentric, near.barycentric]),
        )
    return controls, skull


def _squared_distance(points: np.ndarray, controls: np.ndarray) -> np.ndarray:
    return np.min([((points - control) ** 2).sum(axis=1) for control in controls], axis=0)


def _ray_directions(names: list[str], normals: np.ndarray) -> np.ndarray:
    """Bone normals, but in the midsagittal plane for midline points, level for porion, and in the coronal plane at
    the jaw's angle."""
    directions = normals.copy()
    for row, key in enumerate(names):
        side = np.sign(normals[row, 0])
        if not key.endswith(("_l", "_r")):
            directions[row, 0] = 0.0
        elif abbreviation_of(key) == "po":
            directions[row] = [side, 0.0, 0.0]
        elif abbreviation_of(key) == "go":
            directions[row] = [side, -0.35, 0.0]
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def smoothed_normals(mesh: Mesh, points: Float[np.ndarray, "points 3"], radius: float) -> Float[np.ndarray, "points 3"]:
    """Outward unit normals at surface points, averaged over the vertices within `radius` that face the same way."""
    normals = mesh.vertex_normals()
    nearest = DistanceScene(mesh).closest(points)
    result = np.empty_like(points)
    face_normals = mesh.face_normals()[nearest.face_ids]
    for row, point in enumerate(points):
        weight = np.maximum(1 - ((mesh.vertices - point) ** 2).sum(axis=1) / radius**2, 0.0)
        weight *= np.maximum(normals @ face_normals[row], 0.0)  # not the inner table, nor the far side of a thin plate
        total = weight @ normals + 1e-9 * face_normals[row]
        result[row] = total / np.linalg.norm(total)
    return result


def _wanted_depth(key: str, depths: TissueDepths) -> float:
    name = abbreviation_of(key).rstrip("0123456789")
    mean = depths.mean[name] if name in depths.mean else EXTRA_DEPTHS_MM[name]
    return mean + (HAIR_CAP_MM if name in SCALP else 0.0)


def _vault_controls(template: Mesh, landmarks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Euryon (widest point of the vault), frontotemporale, frontal eminence and points spread over it, by rule."""
    scene = DistanceScene(template)
    n, v, op, g = (landmarks[key] for key in ("n", "v", "op", "g"))
    height = v[1] - n[1]
    points = {}
    for side, suffix in ((1.0, "_l"), (-1.0, "_r")):
        vertices = template.vertices
        band = (vertices[:, 1] > n[1]) & (side * vertices[:, 0] > 0)
        vault = vertices[band & (np.abs(vertices[:, 2] - (g[2] + op[2]) / 2) < 0.3 * (g[2] - op[2]))]
        points["eu" + suffix] = vault[np.argmax(side * vault[:, 0])]
        forehead = {
            "ft" + suffix: (0.22 * height + n[1], side * 0.9),
            "fe" + suffix: (0.45 * height + n[1], side * 0.45),
        }
        for key, (y, across) in forehead.items():
            x = across * abs(landmarks["mso_l"][0] - landmarks["mso_r"][0]) * 0.85
            origin = np.array([[x, y, g[2] + 10 * height]])
            hit = scene.cast(origin, np.array([[0.0, 0.0, -1.0]]))
            points[key] = origin[0] - [0.0, 0.0, hit.distance[0]]
    # Spread over the rest of the vault, each farthest from all before it.
    outer = template.vertices[
        (template.vertices[:, 1] > n[1] + 0.35 * height) & (template.vertices[:, 0] > 0.15 * height)
    ]
    taken = np.stack([v, op, points["eu_l"], points["fe_l"], points["ft_l"]])
    for number in range(VAULT_POINTS // 2):
        gap = ((outer[:, None] - taken) ** 2).sum(-1).min(axis=1)
        point = outer[np.argmax(gap)]
        taken = np.concatenate([taken, point[None], point[None] * [-1, 1, 1]])
        points[f"vault{number}_l"] = point
        mirror = template.vertices - point * [-1, 1, 1]
        points[f"vault{number}_r"] = template.vertices[np.argmin((mirror**2).sum(axis=1))]
    return points


def _nominal_scale(landmarks: Mapping[str, np.ndarray], soft: Mapping[str, np.ndarray]) -> float:
    """Millimetres per unit of the template, from the height of the face."""
    bone = np.linalg.norm(landmarks["n"] - landmarks["pg"])
    return float(np.linalg.norm(soft["se"] - soft["pg"]) / bone)


def _first_similarity(
    sources: Mapping[str, np.ndarray], soft: Mapping[str, np.ndarray], eyes: np.ndarray
) -> np.ndarray:
    """Template to head by the profile and the orbits; the face decides the scale, never the scalp."""
    bone = [sources[key] for key in PARTNER]
    skin = [soft[PARTNER[key]] - [0.0, 0.0, 10.0] for key in PARTNER]
    for side, eye in zip(("_l", "_r"), eyes, strict=True):
        bone.append((sources["mso" + side] + sources["mio" + side]) / 2)
        skin.append(eye + np.array([0.0, -2.0, 6.0]))
    return similarity(np.stack(bone), np.stack(skin))


def _tangential_shift(
    names: list[str], target: np.ndarray, eyes: np.ndarray, soft: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Step that centres each orbit about its eye and sets porion behind the concha of the ear.

    The front of the eyeball lies 44.1 % of the orbit's height below its upper margin and 57.6 % of its breadth from
    dacryon (Guyomarc'h et al. 2012): for an orbit of 34 by 40 mm, 2 mm above and 3 mm lateral of its middle.
    """
    shift = np.zeros_like(target)
    for side, eye in zip(("_l", "_r"), eyes, strict=True):
        rows = [names.index("mso" + side), names.index("mio" + side)]
        outward = np.sign(eye[0])
        wanted = np.array([eye[0] - 3.0 * outward, eye[1] - 2.0])
        shift[rows, :2] = wanted - target[rows, :2].mean(axis=0)
        porion = names.index("po" + side)
        shift[porion, 1:] = soft["concha" + side][1:] - target[porion, 1:]
    return shift


def _mirrored(names: list[str], target: np.ndarray) -> np.ndarray:
    """The mean head is symmetric up to noise; so are the controls."""
    result = target.copy()
    for row, key in enumerate(names):
        if key.endswith("_l"):
            other = names.index(key[:-2] + "_r")
            mean = (target[row] + target[other] * [-1, 1, 1]) / 2
            result[row], result[other] = mean, mean * [-1, 1, 1]
        elif not key.endswith("_r"):
            result[row, 0] = 0.0
    return result

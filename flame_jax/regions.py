"""Regions of a head, found by rule from the shape of its mean: which vertices are nose, lips, ears, scalp, neck.

The rules use landmarks of the outline, depth maps and proportions, never vertex numbers, so they hold for every
topology. Landmarks and their names: see `profile`. Axes: x = subject's left, y up, z anterior; any unit.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.ndimage as nd
import scipy.sparse as sp
from jaxtyping import Bool, Float
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from flame_jax.depth_map import depth_map, seen
from flame_jax.errors import InputError
from flame_jax.model import HeadModel
from flame_jax.profile import FaceLandmarks, face_landmarks

_ROUND = 0.1
"""A component is an eyeball if its vertices' distances from the middle spread (sd) less than this part of the mean …"""
_EYEBALL_RADIUS = (0.04, 0.1)
"""… which lies in this range, in head lengths: 9 to 20 mm."""
_MANDIBULAR_PLANE_DEG = 25.0
"""The mandible's lower border rises backwards from the horizontal by this angle: Tweed, "The Frankfort-mandibular
plane angle in orthodontic diagnosis, classification, treatment planning, and prognosis", American Journal of
Orthodontics and Oral Surgery 32, 1946."""
_FOREHEAD = 0.5
"""Sellion to hairline, of the height from sellion to menton. The neoclassical canon makes forehead, nose and lower face
equal; of real faces the middle third is the shortest, so the mean of the lower two is taken. Farkas, Hreczko, Kolar,
Munro, "Vertical and horizontal proportions of the face in young adult North American Caucasians: revision of
neoclassical canons", Plastic and Reconstructive Surgery 75, 1985."""

_CUPIDS_BOW = ((0.0, 0.29, 0.58, 0.78, 0.92, 1.0), (1.0, 1.13, 0.92, 0.6, 0.33, 0.0))
"""Height of the upper lip's border over the fissure, in its height in the midline, at parts of the way to the mouth's
corner; mean of FLAME 2023 Open and ICT-FaceKit by the landmarks placed on their meshes."""


@dataclasses.dataclass(frozen=True)
class RegionMasks:
    """Which vertices belong to which part of a head.

    `face`, the ears, `scalp`, `neck`, `eyeballs` and `inside` are a partition: each vertex is in exactly one of them.
    `nose`, `lips` and the eye regions are parts of `face` and do not overlap.
    """

    face: Bool[np.ndarray, " vertices"]
    """Skin from the hairline to the mandible's border, to the front of the ears."""
    nose: Bool[np.ndarray, " vertices"]
    """From sellion to subnasale, out to the groove at its foot; the nostrils as far as they are seen."""
    lips: Bool[np.ndarray, " vertices"]
    """Vermilion, outside only."""
    left_eye_region: Bool[np.ndarray, " vertices"]
    """Both lids, from below the brow to above the cheek; with the eye itself where it is no component of its own."""
    right_eye_region: Bool[np.ndarray, " vertices"]
    left_ear: Bool[np.ndarray, " vertices"]
    """The auricle, front and back, without the skin behind it."""
    right_ear: Bool[np.ndarray, " vertices"]
    scalp: Bool[np.ndarray, " vertices"]
    """Above and behind a line from the hairline past the front of the ears, down to the level of their lobes."""
    neck: Bool[np.ndarray, " vertices"]
    """Skin below the mandible and the nape's hairline, with the shoulders."""
    eyeballs: Bool[np.ndarray, " vertices"]
    """Round components at the eyes; none where the eyes are part of the skin."""
    inside: Bool[np.ndarray, " vertices"]
    """What is not seen from outside (mouth, sockets, deep nostrils) and all other components (teeth, lashes)."""


def region_masks(model: HeadModel) -> RegionMasks:
    """The regions of a head model, from its mean head.

    Raises:
        InputError: The mean head has no face's profile, or no ears beside it.
    """
    vertices = model.v_template.astype(np.float64)
    skin, round_ones = _components(model, vertices)
    solid = model.faces[(skin | round_ones)[model.faces[:, 0]]]
    marks = face_landmarks(vertices, solid, model.name)
    centred = vertices - [marks.midline, 0.0, 0.0]
    of_skin = model.faces[skin[model.faces[:, 0]]]
    eyeballs = round_ones & (np.abs(vertices[:, 1] - marks.endocanthion[1]) < 0.15 * marks.head_length)
    left, right = (_ear(centred, of_skin, marks, side, model.name) for side in (1.0, -1.0))
    views = _views()
    visible = skin & seen(centred, solid, views, marks.head_length / 200, 0.008 * marks.head_length)
    ears = {
        "left": skin & (left.mask | (left.outline & ~visible)),
        "right": skin & (right.mask | (right.outline & ~visible)),
    }
    free = visible & ~ears["left"] & ~ears["right"]
    front = 0.5 * (left.front + right.front)
    lobe = 0.5 * (left.lobe + right.lobe)
    scalp = free & _above_hairline(centred, _trichion(centred, of_skin, marks), front, lobe)
    neck = free & ~scalp & _below_mandible(centred, marks, lobe)
    face = free & ~scalp & ~neck
    nose = face & _in_nose(centred, of_skin, marks)
    lips = face & ~nose & _in_lips(centred, marks)
    eyes = [face & ~nose & ~lips & _in_eye_region(centred * [side, 1.0, 1.0], marks) for side in (1.0, -1.0)]
    return RegionMasks(
        face=face,
        nose=nose,
        lips=lips,
        left_eye_region=eyes[0],
        right_eye_region=eyes[1],
        left_ear=ears["left"],
        right_ear=ears["right"],
        scalp=scalp,
        neck=neck,
        eyeballs=eyeballs,
        inside=~(face | ears["left"] | ears["right"] | scalp | neck | eyeballs),
    )


def _components(model: HeadModel, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the skin, which is the component of the largest area, and of round components as large as an eye."""
    count = len(vertices)
    ends = np.concatenate([model.faces[:, :2], model.faces[:, 1:]])
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    parts, label = connected_components(graph, directed=False)
    corners = vertices[model.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    skin = label == np.argmax(np.bincount(label[model.faces[:, 0]], weights=areas, minlength=parts))
    length = np.ptp(vertices[skin, 2])
    round_ones = np.zeros(count, dtype=bool)
    for part in range(parts):
        members = label == part
        if members.sum() < 20 or (members & skin).any():
            continue
        points = vertices[members]
        radius = np.linalg.norm(points - 0.5 * (points.min(axis=0) + points.max(axis=0)), axis=1)
        if radius.std() < _ROUND * radius.mean() and _EYEBALL_RADIUS[0] < radius.mean() / length < _EYEBALL_RADIUS[1]:
            round_ones |= members
    return skin, round_ones


def _views() -> Float[np.ndarray, "views 3 3"]:
    """From all sides, but not from straight below, where a neck may be open: the corners and faces of a cube, and
    from below the nose into the nostrils."""
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3) / np.sqrt(3.0)
    sides = np.array(
        [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [0.0, -0.7, 0.7]]
    )
    views = []
    for towards in np.concatenate([corners, sides]):
        right = np.cross([0.0, 1.0, 0.0] if abs(towards[1]) < 0.9 else [0.0, 0.0, -1.0], towards)
        right /= np.linalg.norm(right)
        views.append(np.stack([right, np.cross(towards, right), towards]))
    return np.array(views)


@dataclasses.dataclass(frozen=True)
class _Ear:
    mask: Bool[np.ndarray, " vertices"]
    outline: Bool[np.ndarray, " vertices"]
    """Within the ear's outline as seen from its side, and at the surface of the head: in the ear, if not seen."""
    front: Float[np.ndarray, "2"]
    """y and z where the upper half of the ear's front edge is most in front."""
    lobe: Float[np.ndarray, "2"]
    """y and z of its lowest point."""


def _ear(vertices: np.ndarray, faces: np.ndarray, marks: FaceLandmarks, side: float, name: str) -> _Ear:
    """The ear of one side: what stands out laterally and is narrower than a quarter of the head's length."""
    length, tip = marks.head_length, marks.pronasale
    axes = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [side, 0.0, 0.0]])
    window = ((tip[2] - 0.85 * length, tip[2] - 0.3 * length), (tip[1] - 0.3 * length, tip[1] + 0.4 * length))
    view = depth_map(vertices, faces, axes, length / 200, window)
    depth = view.depth.clip(0.0, None)
    width = 48
    # The bowl of the ear is filled first, else its depth pulls the ground down all along the window.
    ground = nd.grey_opening(nd.grey_closing(depth, size=(1, 24)), size=(1, width), mode="nearest")
    relief = depth - ground
    rows = view.along_rows()
    height = marks.nose_height
    # Ears reach from the brow to the nose's base, more or less.
    near = (rows > marks.subnasale[1] - 0.3 * height) & (rows < marks.sellion[1] + 0.3 * height)
    seed = np.unravel_index(np.argmax(np.where(near[:, None], relief, -np.inf)), relief.shape)
    label, _ = nd.label(relief > 0.022 * length)
    if label[seed] == 0:
        raise InputError(f"head model {name!r}: its mean head has no ear on one side; regions need a whole head")
    cells = np.argwhere(label == label[seed])
    try:
        hull = ConvexHull(cells)
    except QhullError:
        raise InputError(
            f"head model {name!r}: its mean head has no ear on one side; regions need a whole head"
        ) from None
    corners = view.corner[::-1] + view.step * cells[hull.vertices]
    at = vertices[:, [1, 2]]
    edges = np.roll(corners, -1, axis=0) - corners
    outward = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    beyond = (at @ outward.T - (corners * outward).sum(axis=1)).max(axis=1)
    row, column = view.cells(vertices)
    lateral = side * vertices[:, 0]
    lies_free = lateral > ground[row, column] + 0.012 * length
    on_top = lateral > view.depth[row, column] - 0.01 * length
    outline = (beyond < 0.008 * length) & (lateral > 0.8 * ground[row, column])
    mask = outline & (lies_free | on_top)
    low, high = corners[:, 0].min(), corners[:, 0].max()
    upper = corners[corners[:, 0] > 0.5 * (low + high)]
    return _Ear(mask, outline, upper[np.argmax(upper[:, 1])], corners[np.argmin(corners[:, 0])])


def _trichion(vertices: np.ndarray, faces: np.ndarray, marks: FaceLandmarks) -> Float[np.ndarray, "2"]:
    """y and z of the hairline's point in the midline: on the forehead, at its usual distance from sellion."""
    step = marks.head_length / 400
    distance = _FOREHEAD * (marks.sellion[1] - marks.menton[1])
    strip = ((-2.0 * step, 2.0 * step), (float(marks.sellion[1]), float(marks.sellion[1]) + 1.2 * distance))
    view = depth_map(vertices, faces, np.eye(3), step, strip)
    y, z = view.along_rows(), view.depth[:, view.depth.shape[1] // 2]
    from_sellion = np.hypot(y - marks.sellion[1], z - marks.sellion[2])
    row = int(np.argmax(from_sellion >= distance))
    return np.array([y[row], z[row]])


def _above_hairline(vertices: np.ndarray, trichion: np.ndarray, front: np.ndarray, lobe: np.ndarray) -> np.ndarray:
    """Above the line from trichion to the ear's upper front, behind that from there to the lobe, above the lobe."""
    y, z = vertices[:, 1], vertices[:, 2]
    line = np.interp(z, [front[1], trichion[1]], [front[0], trichion[0]])
    behind = z < np.interp(y, [lobe[0], front[0]], [lobe[1], front[1]])
    return ((z >= front[1]) & (y > line)) | (behind & (y > lobe[0]))


def _below_mandible(vertices: np.ndarray, marks: FaceLandmarks, lobe: np.ndarray) -> np.ndarray:
    """Below the mandible's lower border from menton backwards, or behind the vertical under the lobe."""
    y, z = vertices[:, 1], vertices[:, 2]
    border = marks.menton[1] + (marks.menton[2] - z).clip(0.0, None) * np.tan(np.radians(_MANDIBULAR_PLANE_DEG))
    return (y < border) | (z < lobe[1])


def _in_nose(vertices: np.ndarray, faces: np.ndarray, marks: FaceLandmarks) -> np.ndarray:
    """Between the grooves at the nose's foot: where a level's section lies farthest behind its chord to the cheek."""
    height, step = marks.nose_height, marks.head_length / 400
    wide = round(0.62 * height / step)
    low, high = float(marks.subnasale[1]) - 0.02 * height, float(marks.sellion[1])
    reach = (wide + 0.01) * step
    view = depth_map(vertices, faces, np.eye(3), step, ((-reach, reach), (low, high)))
    relief = view.depth[:, : 2 * wide + 1]
    half = 0.5 * (relief + relief[:, ::-1])[:, wide:]
    chord = half[:, :1] + (half[:, -1:] - half[:, :1]) * np.linspace(0.0, 1.0, half.shape[1])
    foot = step * np.argmax(chord - half, axis=1)
    # A level through the nostrils has its deepest point in them; its neighbours have not.
    foot = nd.median_filter(foot, size=round(0.3 * height / step), mode="nearest")
    foot = nd.uniform_filter1d(foot, size=round(0.15 * height / step), mode="nearest")
    y = view.along_rows()
    # At the root the groove is the eye's inner corner, which is no nose any more.
    foot = foot * np.interp(y, [float(marks.pronasale[1]), high], [1.08, 0.8])
    inside = np.abs(vertices[:, 0]) < np.interp(vertices[:, 1], y, foot)
    # The wings' lower corners are round.
    corner = ((np.abs(vertices[:, 0]) / foot[0] - 0.6) / 0.4).clip(0.0, None)
    return inside & (vertices[:, 1] > low + 0.12 * height * corner**2) & (vertices[:, 1] < high)


def _in_lips(vertices: np.ndarray, marks: FaceLandmarks) -> np.ndarray:
    """Between Cupid's bow and an arc from corner to corner of the mouth, through the labralia."""
    corner, stomion = marks.cheilion, marks.stomion
    across = np.abs(vertices[:, 0]) / corner[0]
    fissure = stomion[1] + (corner[1] - stomion[1]) * across**2
    above = vertices[:, 1] - fissure
    upper = (marks.labrale_superius[1] - stomion[1]) * np.interp(across, *_CUPIDS_BOW)
    lower = (stomion[1] - marks.labrale_inferius[1]) * (1.0 - across**2).clip(0.0, None)
    return (across < 1.0) & (above <= upper) & (above >= -lower)


def _in_eye_region(vertices: np.ndarray, marks: FaceLandmarks) -> np.ndarray:
    """An ellipse around the left eye's fissure as seen from the front, about as large as the orbit."""
    inner, outer = marks.endocanthion, marks.exocanthion
    length = outer[0] - inner[0]
    # The brow is farther from the fissure than the cheek.
    centre = 0.5 * (inner[:2] + outer[:2]) + [0.0, 0.1 * length]
    scaled = (vertices[:, :2] - centre) / [0.78 * length, 0.58 * length]
    return (scaled**2).sum(axis=1) < 1.0

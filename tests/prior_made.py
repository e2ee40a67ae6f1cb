"""A made head model in FLAME's full layout, with the shipped prior's head as its mean."""

from __future__ import annotations

import numpy as np

from data.cleaning import decimate
from data.prior import AnatomyPrior
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.data_made import joined, sphere
from tests.flame_made import flame_parts

MODES = 6
EYE_MM = (31.5, 21.0)
"""Centre of the left orbit seen from the front, in the head frame."""

_NOD = np.radians(8.0)
T_FLAME_HEAD = np.array(
    [[1, 0, 0, 0], [0, np.cos(_NOD), np.sin(_NOD), 0], [0, -np.sin(_NOD), np.cos(_NOD), 0], [0, 0, 0, 1.0]]
)
"""From the head frame to how FLAME's mean holds its head, as far as turning goes."""


def open_head(prior: AnatomyPrior) -> Mesh:
    """The prior's head without the neck's cap, the neck drawn out downward, mm."""
    head = prior.head_mesh()
    head = decimate(Mesh(head.vertices, head.faces.copy()), 10_000)  # a model's own arrays are read-only
    bottom = head.vertices[head.faces][:, :, 1].max(axis=1) < head.vertices[:, 1].min() + 3.0
    used, faces = np.unique(head.faces[~(bottom & (head.face_normals()[:, 1] < -0.7))], return_inverse=True)
    vertices = head.vertices[used]
    vertices[:, 1] -= 2.0 * np.maximum(-100.0 - vertices[:, 1], 0.0)
    return Mesh(vertices, faces.reshape(-1, 3).astype(np.int32))


def made_flame(prior: AnatomyPrior) -> tuple[dict[str, np.ndarray], int]:
    """Arrays of a FLAME file (metres; 300 + 100 components, of which `MODES` smooth ones move anything), and how many
    of its vertices are skin: the rest are two eyeballs."""
    skin = open_head(prior)
    x, y = EYE_MM
    front = 300.0 - DistanceScene(skin).cast(np.array([[x, y, 300.0]]), np.array([[0.0, 0.0, -1.0]])).distance[0]
    eyes = [sphere(12.0, subdivisions=2, centre=(side * x, y, front - 11.8)) for side in (1.0, -1.0)]
    mean = joined(skin, *eyes).transformed(T_FLAME_HEAD)
    rng = np.random.default_rng(0)
    parts = flame_parts(len(mean.vertices))
    parts["v_template"] = mean.vertices / 1000.0
    parts["f"] = mean.faces.astype(np.uint32)
    parts["shapedirs"][:, :, :300] = 0.0
    for mode in range(MODES):
        waves, phases, heights = rng.normal(size=(8, 3)) / 60.0, rng.uniform(0.0, 2 * np.pi, 8), rng.normal(size=(8, 3))
        parts["shapedirs"][:, :, mode] = np.cos(mean.vertices @ waves.T + phases) @ heights / 1000.0
    return parts, len(skin.vertices)

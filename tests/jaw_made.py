"""A made head whose jaw opens, in ICT-FaceKit's layout: the shipped prior's, with a slit between the lips and teeth."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from data.lip_line import LipLine, valley_line
from data.mandible_motion import MandibleMotion
from data.soft_landmarks import soft_landmarks
from fields.mesh import Mesh
from tests.data_made import box, joined
from tests.skulls_made import shipped_prior

MOUTH_MM = 24.0
"""Half its width."""
PERSON = np.array([1.0, -0.8, 0.6, -0.7])
"""The model's mean is somebody else than the prior's: these coefficients of the prior's first modes away."""
OPENING_DEG = 18.0
T_MODEL_HEAD = np.eye(4)
"""From the head frame to the model's own, in millimetres."""
T_MODEL_HEAD[:3, :3] = 1.05 * Rotation.from_rotvec([0.1, 0.0, 0.0]).as_matrix()
T_MODEL_HEAD[:3, 3] = [0.0, 15.0, -20.0]


@dataclasses.dataclass(frozen=True)
class JawHead:
    """Everything in the head frame, mm."""

    skin: Mesh
    """The prior's mean head without the triangles that join the lips."""
    teeth: Mesh
    """A row of upper ones, and after it a row of lower ones; blocks of equal size."""
    line: LipLine
    """Where the slit is."""
    skin_displacement: Float[np.ndarray, "skin_vertices 3"]
    motion: MandibleMotion
    """Of the lower teeth."""
    teeth_displacement: Float[np.ndarray, "teeth_vertices 3"]
    """Nothing for the upper ones, rigid for the lower."""

    def facekit(self) -> dict[str, np.ndarray]:
        """Arrays of an ICT-FaceKit file, in the model's own frame, centimetres."""
        modes = np.moveaxis(shipped_prior().head.shapedirs[:, :, : len(PERSON)], 2, 0)
        somebody = Mesh(self.skin.vertices + np.einsum("k,kvd->vd", PERSON, modes), self.skin.faces)
        whole = joined(somebody, self.teeth).transformed(T_MODEL_HEAD)
        linear = T_MODEL_HEAD[:3, :3]
        moved = np.concatenate([self.skin_displacement, self.teeth_displacement])
        identity = np.zeros((len(PERSON), len(whole.vertices), 3))
        identity[:, : len(self.skin.vertices)] = modes
        of_teeth = np.arange(len(whole.faces)) >= len(self.skin.faces)
        return {
            "vertices": (0.1 * whole.vertices).astype(np.float32),
            "identity": (0.1 * identity @ linear.T).astype(np.float32),
            "quads": np.column_stack([whole.faces, np.full(len(whole.faces), -1)]).astype(np.int32),
            "expression": (0.1 * moved @ linear.T)[None].astype(np.float32),
            "expression_names": np.array(["jawOpen"]),
            "material": of_teeth.astype(np.int8),
            "material_names": np.array(["M_Face", "M_Teeth"]),
        }


@functools.cache
def jaw_head() -> JawHead:
    """The head, made once for all tests."""
    prior = shipped_prior()
    head, marks = prior.head_mesh(), prior.landmark_points()
    x = np.arange(-MOUTH_MM, MOUTH_MM + 0.5)
    lips = np.stack([x, np.full_like(x, soft_landmarks(head)["sto"][1]), np.full_like(x, 90.0)], axis=1)
    line = valley_line(head, LipLine(lips))
    upper = head.vertices[:, 1] > line.height(head.vertices[:, 0])
    mouth = line.between_corners(head.vertices[:, 0]) & (head.vertices[:, 2] > 60.0)
    parted = mouth[head.faces].all(axis=1) & (upper[head.faces].any(axis=1) & ~upper[head.faces].all(axis=1))
    # Below the cheekbones the skin turns with the jaw, the less the farther up and back it is; the upper lip stays.
    turn = Rotation.from_rotvec([np.radians(OPENING_DEG), 0.0, 0.0]).as_matrix()
    hinge = 0.5 * (marks["po_l"] + marks["po_r"]) + [0.0, -5.0, 14.0]
    share = _ramp(head.vertices[:, 2], 10.0, 50.0) * _ramp(-head.vertices[:, 1], 25.0, 70.0)
    share[mouth & ~upper] = 1.0
    share[upper] *= _ramp(np.abs(head.vertices[upper, 0]), 0.8 * MOUTH_MM, 2.0 * MOUTH_MM)
    ridden = (head.vertices - hinge) @ (turn - np.eye(3)).T
    rows = [
        box((44.0, 8.0, 10.0), subdivisions=1).transformed(_shift(marks[key] + [0.0, up, -6.0]))
        for key, up in (("pr", -4.0), ("id", 4.0))
    ]
    lower = rows[1].vertices
    lower_displacement = (lower - hinge) @ (turn - np.eye(3)).T
    return JawHead(
        skin=Mesh(head.vertices, head.faces[~parted]),
        teeth=joined(*rows),
        line=line,
        skin_displacement=share[:, None] * ridden,
        motion=MandibleMotion.of_points(lower, lower_displacement),
        teeth_displacement=np.concatenate([np.zeros_like(rows[0].vertices), lower_displacement]),
    )


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _shift(by: np.ndarray) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, 3] = by
    return transform

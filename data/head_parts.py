"""What belongs to the outside of a head model: its skin and its eyeballs. Teeth, tongue, lashes and tear film do not.

Models name their parts differently or not at all, so the parts are told by shape: the skin is the connected part with
most triangles, and eyeballs are balls beside the midline. FLAME has one part for each eye; ICT-FaceKit has two, one
inside the other.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from fields.connected_parts import connected_parts
from fields.mesh import Mesh

_ROUND = 1.25
"""A ball's bounding box is at most this much longer than wide. 1.03 for FLAME's eyeballs, 1.10 for ICT-FaceKit's; its
roundest other part that is large enough, the tongue with the gums, has 2.04."""
_DIAMETER_MM = 18.0
"""Least width of an eyeball; 24 mm in life."""


@dataclasses.dataclass(frozen=True)
class HeadParts:
    """The outside of a head model, in the frame and with the vertices' numbers of the model."""

    skin: Int[np.ndarray, "skin_faces 3"]
    """Triangles of the skin, with what it has inside: a mouth, sockets."""
    eyes: tuple[tuple[Int[np.ndarray, "_ 3"], ...], tuple[Int[np.ndarray, "_ 3"], ...]]
    """Triangles of the left and of the right eye, by part; empty where there are none."""

    def outside(self) -> Int[np.ndarray, "faces 3"]:
        """Triangles of skin and eyes."""
        return np.concatenate([self.skin, *self.eyes[0], *self.eyes[1]])

    def eye_centres(self, vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "2 3"] | None:
        """Mean vertex of the left and of the right eye; None unless there are both."""
        if not all(self.eyes):
            return None
        return np.stack([vertices[np.unique(np.concatenate(eye))].mean(axis=0) for eye in self.eyes])


def head_parts(mesh: Mesh) -> HeadParts:
    """Tell the parts of a head model's mean (mm, x = subject's left)."""
    label_of_face = connected_parts(mesh)[mesh.faces[:, 0]]
    skin = np.bincount(label_of_face).argmax()
    eyes: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for part in np.unique(label_of_face):
        faces = mesh.faces[label_of_face == part]
        low, high = (of(mesh.vertices[faces].reshape(-1, 3), axis=0) for of in (np.min, np.max))
        size = high - low
        beside = low[0] > 0.0 or high[0] < 0.0
        if part != skin and beside and size.min() > _DIAMETER_MM and size.max() < _ROUND * size.min():
            eyes[int(high[0] < 0.0)].append(faces)
    return HeadParts(mesh.faces[label_of_face == skin], (tuple(eyes[0]), tuple(eyes[1])))

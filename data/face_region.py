"""The face region (DESIGN.md, "Measuring"): which part of a head is scored, and where training looks most closely."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from fields.mesh import Mesh

FACE_BEHIND_PORION_MM = 25.0
"""The face begins this far in front of the poria: the auricle lies at the meatus and behind it."""
BELOW_MENTON_MM = 5.0
"""It reaches this far under bony menton, so that most of the chin's soft tissue is in and the neck is not."""
ABOVE_NASION_MM = 45.0
"""Upper end of the face: about the hair line."""


def face_triangles(head: Mesh, landmarks: Mapping[str, Float[np.ndarray, "3"]]) -> Bool[np.ndarray, " faces"]:
    """Triangles of a head (head frame, mm) in its face region, by their centroids and normals.

    `landmarks` has both poria, menton and nasion, head frame, mm, by the keys of `data.landmarks`.
    """
    centre = head.vertices[head.faces].mean(axis=1)
    behind = 0.5 * (landmarks["po_l"][2] + landmarks["po_r"][2]) + FACE_BEHIND_PORION_MM
    return (
        (centre[:, 2] > behind)
        & (centre[:, 1] > landmarks["me"][1] - BELOW_MENTON_MM)
        & (centre[:, 1] < landmarks["n"][1] + ABOVE_NASION_MM)
        & (head.face_normals()[:, 2] > 0.0)
    )

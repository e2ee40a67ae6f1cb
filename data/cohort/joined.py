"""Several meshes as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fields.mesh import Mesh


def joined(parts: Sequence[Mesh]) -> Mesh:
    """All parts in one mesh, their vertices and triangles in order; nothing is merged."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    return Mesh(np.concatenate([part.vertices for part in parts]), np.concatenate(faces).astype(np.int32))

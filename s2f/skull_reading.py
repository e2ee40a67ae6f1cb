"""A face field's reading of a whole skull.

In training a skull is a fixed number of points, so few that chance decides what some places see. Here there is the
whole surface: it is read in as many parts as it has points for, each of as many as in training, and the readings are
averaged. That takes chance out, and changes nothing else.

What it is worth was measured with the shipped field, whose parts have 8,192 points, on the first ten undamaged skulls
of the test set of `s2f bench field`, twice each. Error is that of `eval.face_errors` of the head that was read,
fullness unknown; "moved" is how far vertices of the face move if other points are drawn. One reading of 32,768 points
gave what four readings gave, 2.20 and 0.47 mm, and took no less time; one of 2,048 points gave 2.50 and 2.19 mm.

    readings     1     2     4     8
    error, mm    2.24  2.22  2.22  2.19
    moved, mm    1.09  0.73  0.47  0.21
"""

from __future__ import annotations

import jax
import numpy as np
from scipy.spatial import cKDTree

from fields.anchor_pooling import WIDTHS_MM
from fields.face_model import FaceModel, Reading
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.errors import InputError

_CANDIDATES = 65_536
"""Points on the whole surface: `data.cohort.seen.SAMPLES`, and eight readings of the shipped field."""
_REACH_MM = 3.0 * max(WIDTHS_MM)
"""Beyond this no anchor sees a point: a table under the skull, or the chest, must not use the points up."""


def read_skull(model: FaceModel, skull: Mesh, *, points: int, fullness: float | None, seed: int = 0) -> Reading:
    """Read a skull.

    Args:
        model: Trained.
        skull: Cleaned; head frame, mm.
        points: In one reading, as many as in training.
        fullness: Standard deviations; None where it is not known.
        seed: Of the points.

    Raises:
        InputError: There is no bone where a skull would be.
    """
    surface = sample_surface(skull, _CANDIDATES, seed)
    near, _ = cKDTree(np.asarray(model.prior.anchors.points)).query(surface.points, distance_upper_bound=_REACH_MM)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(near)))
    if not len(rows):
        raise InputError("no bone lies where the skull's surface should be, so there is nothing to make a face from")
    normals = skull.face_normals()[surface.face_ids]
    readings = []
    for number in range(max(len(rows) // points, 1)):
        some = rows[number * points : (number + 1) * points]
        valid = np.arange(points) < len(some)
        some = np.pad(some, (0, points - len(some)), mode="edge")
        readings.append(
            model.read(surface.points[some].astype(np.float32), normals[some].astype(np.float32), valid, fullness)
        )
    return jax.tree.map(lambda *leaves: np.mean([np.asarray(leaf) for leaf in leaves], axis=0), *readings)

"""What faces do beyond a head model's identity modes: a few smooth modes more, from a Gaussian process.

A head model of 60 components cannot lie on every face; what it leaves over is smooth, and follows the bone as the rest
of the skin does. A model of principal components is completed by a Gaussian process as in Lüthi, Gerig, Jud and Vetter,
"Gaussian process morphable models", IEEE TPAMI 40(8), 2018, section 3.4: a smooth vector field on the face, without
what the model's own modes say of it, cut down to its leading principal components.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from data.cohort.bone_field import bone_field
from data.face_region import face_triangles
from data.prior import AnatomyPrior

LENGTH_MM = 25.0
"""Of the process: half of a nose. Finer detail no skull tells anything about."""
SD_MM = 2.4
"""Of the process in each direction, before what the model's modes say is taken out; 40 modes then have a standard
deviation of 0.96 mm along the normals of the shipped head, as much as FLAME 2023 Open's 60 components
leave (0.88 mm mean distance) of another model's faces (`s2f bench round-trip --other-model`)."""
LEFT_RIGHT = 0.6
"""Correlation of what each side does for itself."""
FADE_MM = 25.0
"""Scale of the damping beyond the face region. Taking out what the head's own modes say, which is judged on the face
alone, adds more around it: the modes are 1.3 times as large at half of this distance as on the face, 0.64 times at it,
and below 0.005 from twice of it (tests/data/test_residual_modes.py). The shipped field was trained with them so."""


def with_residual_modes(prior: AnatomyPrior, count: int) -> AnatomyPrior:
    """The prior with `count` further identity modes, orthogonal on the face to those it has; coefficients ~ N(0, 1).

    Runs on the host. Modes of nearly equal variance depend on the machine's linear algebra, so what is trained with
    them is kept with them.
    """
    if not count:
        return prior
    vertices = prior.head.v_template.astype(np.float64)
    weights, fade = _face_weights(prior)
    modes = _field_modes(vertices, vertices[weights > 0.0]) * fade[:, None, None]
    root = np.sqrt(weights)[:, None, None]
    own = (root * prior.head.shapedirs).reshape(-1, prior.head.shapedirs.shape[2])
    flat = (root * modes).reshape(len(own), -1)
    # What the head model can do itself is taken out everywhere, by what it does on the face.
    shared = np.linalg.lstsq(own, flat, rcond=None)[0]
    left = modes.reshape(-1, modes.shape[2]) - prior.head.shapedirs.reshape(-1, own.shape[1]) @ shared
    left = left * np.repeat(fade, 3)[:, None]
    seen = left * np.repeat(root[:, 0, 0], 3)[:, None]
    values, vectors = np.linalg.eigh(seen.T @ seen)
    leading = left @ vectors[:, np.argsort(values)[::-1][:count]]
    # Eigenvectors come with any sign.
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(count)])
    shapes = np.concatenate([prior.head.shapedirs, leading.reshape(len(vertices), 3, count)], axis=2)
    head = dataclasses.replace(prior.head, shapedirs=shapes.astype(np.float32))
    return dataclasses.replace(prior, head=head)


def _face_weights(prior: AnatomyPrior) -> tuple[Float[np.ndarray, " vertices"], Float[np.ndarray, " vertices"]]:
    """Each vertex's area in the face region, and how much of a mode it takes part in: 1 on the face, fading out."""
    head = prior.head_mesh()
    face = face_triangles(head, prior.landmark_points())
    areas = np.bincount(head.faces[face].ravel(), np.repeat(head.face_areas()[face] / 3.0, 3), len(head.vertices))
    on_face = head.vertices[areas > 0.0]
    gap = np.array([((on_face - vertex) ** 2).sum(axis=1).min() for vertex in head.vertices])
    return areas, np.exp(-0.5 * gap / (0.5 * FADE_MM) ** 2)


def _field_modes(
    points: Float[np.ndarray, "points 3"], domain: Float[np.ndarray, "domain 3"]
) -> Float[np.ndarray, "points 3 modes"]:
    """The process as modes with coefficients ~ N(0, 1)."""
    field = bone_field(points, domain, length_mm=LENGTH_MM, left_right=LEFT_RIGHT)
    even, odd = np.asarray(field.even, np.float64), np.asarray(field.odd, np.float64)
    symmetric, asymmetric = float(field.symmetric), float(field.asymmetric)
    modes = []
    for axis in range(3):
        # As in BoneField.displacement: along x the mirror turns the sign.
        weights = (asymmetric, symmetric) if axis == 0 else (symmetric, asymmetric)
        block = np.zeros((len(points), 3, even.shape[1] + odd.shape[1]))
        block[:, axis] = SD_MM * np.concatenate([even * weights[0], odd * weights[1]], axis=1)
        modes.append(block)
    return np.concatenate(modes, axis=2)

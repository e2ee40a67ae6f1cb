"""What a scan shows of a harmed skull, as a mesh: the form that goes into files. Runs on the host."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float

from data.cleaning import decimate
from data.clipping import clipped, split_along_zero
from data.cohort.broken import apply_harm
from data.cohort.cuts import CRACKS
from data.cohort.harm import Harm
from data.cohort.seen import Samples, in_scan_and_seen
from data.cohort.skeleton import Skeleton
from fields.mesh import Mesh, submesh
from flame_jax.model import Array

_apply_harm, _in_scan_and_seen = jax.jit(apply_harm), jax.jit(in_scan_and_seen)


def broken_mesh(
    harm: Harm,
    skeleton: Skeleton,
    samples: Samples,
    vertices: Float[Array, "vertices 3"],
    T_open_closed: Float[Array, "4 4"],
) -> Mesh:
    """The mesh on which the points of `data.cohort.seen.observed` lie, then decimated as drawn.

    Cut exactly where what is kept ends, along the walls of cracks, and, in a laser scan, where what is seen ends.

    Args:
        samples: Of `data.cohort.seen.make_samples`: what hides what is decided with the same points in both forms.
        vertices: The person's skull with the jaw closed, head frame, mm.
        T_open_closed: Motion of the mandible where the jaw is open; else the identity.

    Returns:
        Head frame, mm, not yet moved by `harm.T_scan_head`. Without triangles if nothing is left.
    """
    harmed = _apply_harm(harm, skeleton, vertices, T_open_closed)
    in_bone, in_scan, fold_depth = (
        np.asarray(value, np.float64) for value in (harmed.in_bone, harmed.in_scan, harmed.fold_depth)
    )
    seen = np.asarray(_in_scan_and_seen(harm, harmed, skeleton, samples), np.float64)
    walls = np.asarray(harmed.in_crack, np.float64).reshape(len(seen), -1)
    there = np.asarray(skeleton.faces)[np.asarray(harmed.face_kept)]
    pieces: list[Mesh] = []
    for places, limits in (
        (harmed.vertices, [in_bone, seen]),
        (harmed.folded, [-in_bone, in_bone + fold_depth, in_scan]),
    ):
        values = np.concatenate([np.asarray(places, np.float64), walls, np.stack(limits, axis=1)], axis=1)
        faces = there
        for limit in range(len(limits)):
            faces, values = clipped(faces, values, values[:, 3 + walls.shape[1] + limit])
        for crack in range(CRACKS):
            faces, values = _without_crack(faces, values, 3 + 2 * crack)
        pieces.append(Mesh(values[:, :3], faces))
    surface, cut_faces = pieces
    both = Mesh(
        np.concatenate([surface.vertices, cut_faces.vertices]),
        np.concatenate([surface.faces, cut_faces.faces + len(surface.vertices)]).astype(np.int32),
    )
    mesh = submesh(both, np.ones(len(both.vertices), dtype=bool))
    return decimate(mesh, int(harm.triangles))


def _without_crack(faces: np.ndarray, values: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles and values of vertices without what lies between two walls, which are in neighbouring columns."""
    for wall in (column, column + 1):
        split = split_along_zero(faces, values[:, wall])
        faces, values = split.faces, split.carried(values)
    between = np.all(values[faces][:, :, column : column + 2].mean(axis=1) > 0, axis=1)
    return faces[~between], values

"""A test case as if the aligner made no error: what automatic placing costs is measured against it."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from eval.held_out.case import HeldOutCase
from fields.mesh import transform_points


def exactly_placed(
    case: HeldOutCase, T_exact_head: Float[np.ndarray, "4 4"], *, landmarks: bool = False
) -> HeldOutCase:
    """The case with its skull in the right pose; as it is where the skull was refused.

    Args:
        case: Of the test set.
        T_exact_head: Rigid: from the true head frame to where the aligner should have put this skull.
        landmarks: Whether landmarks are the true ones too, all of them. Otherwise all that was found on the bone moves
            with the skull.
    """
    if case.placed is None:
        return case
    found = case.placed.alignment
    move = T_exact_head @ np.linalg.inv(case.placed.T_aligned_head)
    right = {name: transform_points(T_exact_head, point) for name, point in case.landmarks.items()}
    alignment = dataclasses.replace(
        found,
        T_head_skull=move @ found.T_head_skull,
        landmarks=right if landmarks else _moved(move, found.landmarks),
        bent_landmarks=right if landmarks else _moved(move, found.bent_landmarks),
        controls=_moved(move, found.controls),
        directions={name: move[:3, :3] @ direction for name, direction in found.directions.items()},
        bent_skull=found.bent_skull.transformed(move),
        bone_points=transform_points(move, found.bone_points),
        bone_normals=found.bone_normals @ move[:3, :3].T,
    )
    placed = dataclasses.replace(
        case.placed, T_aligned_head=T_exact_head, skull=case.placed.skull.transformed(move), alignment=alignment
    )
    return dataclasses.replace(case, placed=placed)


def _moved(transform: np.ndarray, points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: transform_points(transform, point) for name, point in points.items()}

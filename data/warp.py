"""Thin-plate spline in three dimensions, linear in the displacements of its controls.

Bookstein, IEEE TPAMI 11(6):567-585 (1989); in three dimensions the biharmonic kernel is the distance itself.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float


def thin_plate_matrix(
    controls: Float[np.ndarray, "controls 3"], points: Float[np.ndarray, "points 3"], smoothness: float = 0.0
) -> Float[np.ndarray, "points controls"]:
    """The matrix that takes control displacements to displacements of points; its rows sum to one.

    `smoothness` (in the unit of the coordinates, 0 = interpolate) lets the controls miss their displacement for a
    smoother warp. Raises `numpy.linalg.LinAlgError` when the controls lie in one plane.
    """
    count = len(controls)
    kernel = -_distances(controls, controls) + 8 * np.pi * smoothness * np.eye(count)
    affine = np.concatenate([np.ones((count, 1)), controls], axis=1)
    system = np.block([[kernel, affine], [affine.T, np.zeros((4, 4))]])
    weights = scipy.linalg.solve(system, np.concatenate([np.eye(count), np.zeros((4, count))]), assume_a="sym")
    return np.concatenate([-_distances(points, controls), np.ones((len(points), 1)), points], axis=1) @ weights


def similarity(
    source: Float[np.ndarray, "points 3"],
    target: Float[np.ndarray, "points 3"],
    weights: Float[np.ndarray, " points"] | None = None,
    *,
    scaled: bool = True,
) -> Float[np.ndarray, "4 4"]:
    """Least-squares similarity (or rigid, `scaled=False`) transform from source to target (Umeyama, IEEE TPAMI 13(4),
    1991)."""
    weights = np.ones(len(source)) if weights is None else weights
    weights = weights / weights.sum()
    mean_source, mean_target = weights @ source, weights @ target
    centred_source, centred_target = source - mean_source, target - mean_target
    u, singular, vt = np.linalg.svd((centred_target * weights[:, None]).T @ centred_source)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = (singular * signs).sum() / (weights @ (centred_source**2).sum(axis=1)) if scaled else 1.0
    transform = np.eye(4)
    transform[:3, :3] = scale * rotation
    transform[:3, 3] = mean_target - scale * rotation @ mean_source
    return transform


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(((a[:, None, :] - b[None, :, :]) ** 2).sum(-1), 0.0))

"""Skulls sampled from the shipped anatomy prior: their faces, landmarks and depths are known."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.spatial.transform import Rotation

from data.align import Alignment, align_skull
from data.prior import AnatomyPrior, read_prior
from data.shipped import PRIOR
from fields.mesh import Mesh, transform_points


@dataclasses.dataclass(frozen=True)
class Case:
    """A made person, mm, in the frame of the prior's heads."""

    skull: Mesh
    head: Mesh
    landmarks: dict[str, np.ndarray]


@functools.cache
def shipped_prior() -> AnatomyPrior:
    """The anatomy prior that comes with s2f."""
    return read_prior(PRIOR)


@functools.cache
def case(seed: int) -> Case:
    """A head and fullness drawn from the prior, and the skull that belongs to them."""
    prior, rng = shipped_prior(), np.random.default_rng(seed)
    betas = np.asarray(rng.standard_normal(prior.head.shapedirs.shape[2]))
    skull = prior.skull_of(betas, prior.tissue.sample(rng, float(rng.standard_normal())))
    return Case(skull, prior.head_mesh(betas), prior.landmark_points(skull))


@functools.cache
def alignment(seed: int) -> Alignment:
    """The skull of `case(seed)`, aligned where it lies. Made once for all tests, since it takes seconds."""
    return align_skull(case(seed).skull, shipped_prior(), source="skull.ply")


def true_in_head_frame(seed: int) -> Case:
    """The case where `alignment(seed)` puts it."""
    made, transform = case(seed), alignment(seed).T_head_skull
    landmarks = {key: transform_points(transform, point) for key, point in made.landmarks.items()}
    return Case(made.skull.transformed(transform), made.head.transformed(transform), landmarks)


def pose(seed: int, scale: float = 1.0) -> np.ndarray:
    """Any rotation, a shift of some hundred mm, and then a scale."""
    rng = np.random.default_rng(seed)
    transform = np.eye(4)
    transform[:3, :3] = scale * Rotation.random(random_state=rng).as_matrix()
    transform[:3, 3] = scale * rng.uniform(-300.0, 300.0, 3)
    return transform


def turn_degrees(rotation: np.ndarray) -> float:
    """Angle of a rotation, or of the rotation in a similarity."""
    rotation = rotation[:3, :3] / np.cbrt(np.linalg.det(rotation[:3, :3]))
    return float(np.degrees(Rotation.from_matrix(rotation).magnitude()))

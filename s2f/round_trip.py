"""How well `s2f fit-flame` finds back heads that are known: `s2f bench round-trip`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from data.units import MM_PER_UNIT
from fields.distance import DistanceScene
from fields.mesh import Mesh, submesh, transform_points
from fields.sampling import sample_surface
from flame_jax.model import HeadModel
from s2f.flame_fitting import fit_flame

NOISE_MM = 0.5
"""Standard deviation of a scan's vertices, in each direction."""
MISSING = 0.3
"""Share of the surface that a scan lacks."""
NARROW_FACE = 6706
"""The first vertices of ICT-FaceKit: the face without ears, neck and scalp."""


@dataclasses.dataclass(frozen=True)
class RoundTrip:
    """One head fitted back."""

    seed: int
    """Of the person, the pose and what is missing."""
    mean_mm: float
    """Mean distance from the true, noise-free surface that the scan shows to the fitted head; of another model's
    people the mean over the vertices."""
    outcome: str
    """How the fit ended."""


def own_people(model: HeadModel, count: int, say: Callable[[str], None]) -> list[RoundTrip]:
    """Heads sampled from the model, in any pose and unit, with noise; in turn with holes and cut by a plane."""
    in_mm = model.in_millimetres()
    results: list[RoundTrip] = []
    for seed in range(count):
        say(f"own people: {seed + 1} of {count}")
        rng = np.random.default_rng(seed)
        vertices = _sampled(in_mm, rng)
        clean = submesh(Mesh(_turned(vertices, rng), in_mm.faces), _kept(vertices, in_mm.faces, rng, cut=seed % 2 == 1))
        noisy = clean.vertices + NOISE_MM * rng.normal(size=clean.vertices.shape)
        mm_per_unit = list(MM_PER_UNIT.values())[seed % 3]
        fitted = fit_flame(Mesh(noisy / mm_per_unit, clean.faces), model)
        head = Mesh(fitted.mesh.vertices * mm_per_unit, fitted.mesh.faces)
        distance = DistanceScene(head).distance(sample_surface(clean, 20_000, 0).points)
        results.append(RoundTrip(seed, float(distance.mean()), str(fitted.record["outcome"])))
    return results


def other_people(model: HeadModel, other: HeadModel, count: int, say: Callable[[str], None]) -> list[RoundTrip]:
    """Narrow faces sampled from ICT-FaceKit, in any pose, fitted with `model`."""
    in_mm = other.in_millimetres()
    results: list[RoundTrip] = []
    for seed in range(count):
        say(f"other people: {seed + 1} of {count}")
        rng = np.random.default_rng(1000 + seed)
        vertices = _turned(_sampled(in_mm, rng), rng)
        face = submesh(Mesh(vertices, in_mm.faces), np.arange(len(vertices)) < NARROW_FACE)
        fitted = fit_flame(face, model, unit="mm")
        distance = DistanceScene(fitted.mesh).distance(face.vertices)
        results.append(RoundTrip(seed, float(distance.mean()), str(fitted.record["outcome"])))
    return results


def summary(what: str, results: list[RoundTrip], limit_mm: float) -> str:
    """One line for the user."""
    means = np.array([result.mean_mm for result in results])
    return (
        f"{what}: {means.mean():.3f} mm on average, {means.max():.3f} mm at most, "
        f"{int((means < limit_mm).sum())} of {len(means)} under {limit_mm} mm"
    )


def _sampled(model: HeadModel, rng: np.random.Generator) -> Float[np.ndarray, "vertices 3"]:
    return model.v_template.astype(np.float64) + model.shapedirs @ rng.normal(size=model.shapedirs.shape[2])


def _turned(vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    transform[:3, 3] = 100 * rng.normal(size=3)
    return transform_points(transform, vertices)


def _kept(
    vertices: np.ndarray, faces: Int[np.ndarray, "faces 3"], rng: np.random.Generator, *, cut: bool
) -> np.ndarray:
    """Mask of the vertices that the scan has."""
    areas = np.bincount(faces.ravel(), np.repeat(Mesh(vertices, faces).face_areas() / 3, 3), len(vertices))
    if cut:
        order = np.argsort(vertices @ rng.normal(size=3))
        kept = np.ones(len(vertices), bool)
        kept[order[np.cumsum(areas[order]) < MISSING * areas.sum()]] = False
        return kept
    kept = np.ones(len(vertices), bool)
    while areas[~kept].sum() < MISSING * areas.sum():
        centre = vertices[rng.integers(len(vertices))]
        kept &= np.linalg.norm(vertices - centre, axis=1) > rng.uniform(15, 45)
    return kept

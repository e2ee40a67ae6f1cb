"""Smooth non-rigid registration: the placed template bends onto the bone it lies on.

The displacement is a Gaussian process (Lüthi, Gerig, Jud, Vetter: Gaussian process morphable models, IEEE TPAMI
40(8), 2018): what skulls of the anatomy prior do when head and depths vary, plus two smooth kernels for what they do
not. Observations are point-to-plane distances to the nearest bone that faces the same way, with Geman-McClure weights,
so parts that are missing follow their neighbours.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

from data.registration import Oriented, matched_distance

_KERNELS = ((50.0, 2.0), (18.0, 1.0))
"""Length and standard deviation of the smooth kernels, mm."""
_ACROSS_JAWS = 0.3
"""Correlation of the smooth kernels between mandible and cranium."""
_NODES = 220
_NOISE_MM = 1.6
"""Smaller follows a clean skull closer, but on a coarse CT landmarks then slide with the sampling."""
_RADII_MM = (10.0, 10.0, 8.0, 8.0, 6.0, 6.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0, 4.0)


@dataclasses.dataclass(frozen=True)
class Template:
    """Template surface points with what the process needs to know about them, in the target's frame."""

    points: Float[np.ndarray, "points 3"]
    normals: Float[np.ndarray, "points 3"]
    modes: Float[np.ndarray, "points 3 modes"]
    """Displacements of unit variance from the anatomy prior."""
    is_jaw: Bool[np.ndarray, " points"]


@dataclasses.dataclass(frozen=True)
class Bend:
    """A fitted displacement field."""

    nodes: Template
    node_weights: Float[np.ndarray, "nodes 3"]
    mode_weights: Float[np.ndarray, " modes"]

    def at(self, template: Template) -> Float[np.ndarray, "points 3"]:
        """Displacement of template points, mm."""
        smooth = _kernel(template, self.nodes) @ self.node_weights
        return smooth + template.modes @ self.mode_weights


def bend(template: Template, target: Oriented) -> Bend:
    """Bend template points onto a target. The first `_NODES` points serve as the process's nodes, so they should be
    spread."""
    nodes = Template(*(getattr(template, field.name)[:_NODES] for field in dataclasses.fields(Template)))
    kernel = _kernel(template, nodes)
    among_nodes = kernel[:_NODES]
    modes = template.modes.shape[2]
    prior = scipy.linalg.block_diag(*[among_nodes] * 3, np.eye(modes))
    prior[np.diag_indices_from(prior)] += 1e-6
    solution = np.zeros(3 * _NODES + modes)
    result = Bend(nodes, np.zeros((_NODES, 3)), np.zeros(modes))
    for radius in _RADII_MM:
        moved = template.points + kernel @ result.node_weights + template.modes @ result.mode_weights
        distance, row = matched_distance(moved, template.normals, target, 2.5 * radius)
        use = distance < 2.5 * radius
        normal = target.normals[row[use]]
        wanted = np.einsum("pd,pd->p", target.points[row[use]] - template.points[use], normal)
        weight = (radius**2 / (radius**2 + distance[use] ** 2)) ** 2 / _NOISE_MM**2
        # Neighbouring points do not err independently: together they count as one per node's patch of surface.
        weight = weight * 6 * _NODES / len(template.points)
        columns = [kernel[use] * normal[:, axis : axis + 1] for axis in range(3)]
        columns.append(np.einsum("pdk,pd->pk", template.modes[use], normal))
        # Weighted by roots: NumPy computes half of a matrix's product with its own transpose.
        root = np.sqrt(weight)
        design = np.concatenate(columns, axis=1) * root[:, None]
        system = design.T @ design + prior
        solution = scipy.linalg.solve(system, design.T @ (root * wanted), assume_a="pos")
        result = Bend(nodes, solution[: 3 * _NODES].reshape(3, _NODES).T, solution[3 * _NODES :])
    return result


def _kernel(a: Template, b: Template) -> np.ndarray:
    squared = ((a.points[:, None, :] - b.points[None, :, :]) ** 2).sum(-1)
    total = sum(sd**2 * np.exp(-0.5 * squared / length**2) for length, sd in _KERNELS)
    return np.asarray(total * np.where(a.is_jaw[:, None] == b.is_jaw[None, :], 1.0, _ACROSS_JAWS))

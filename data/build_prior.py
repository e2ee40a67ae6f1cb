"""Makes the anatomy prior's file from a head model, a template skull and a depth table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data.cleaning import decimate
from data.closed_head import close_head
from data.head_parts import head_parts
from data.landmark_rules import template_landmarks
from data.landmarks import ALL_KEYS
from data.prior import AnatomyPrior
from data.skull_in_head import fit_skull
from data.soft_landmarks import soft_landmarks
from data.tissue_depth import TissueDepths
from data.unwrap import unwrap
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError
from flame_jax.model import HeadModel

_NECK_BELOW_MENTON_MM = 24.0
"""Height of the neck's cut under the soft-tissue menton: above the shoulders of every head model at hand."""


@dataclasses.dataclass(frozen=True)
class PriorSize:
    """How large the prior becomes."""

    head_vertices: int = 9600
    """Vertices of the head."""
    skull_vertices: int = 24000
    """Vertices of the skull."""
    sampled_heads: int = 600
    """Heads that the identity modes are learned from."""
    modes: int = 100
    """Identity modes at most; never more than the head model has components."""
    seed: int = 0
    """Of the sampled heads."""
    voxel_mm: float = 1.0
    """Spacing of the samples between which the mean head is closed."""


def build_prior(
    model: HeadModel,
    template: Mesh,
    landmarks: dict[str, np.ndarray] | None,
    tissue: TissueDepths,
    *,
    credit: str,
    size: PriorSize,
    progress: Callable[[str], None] = lambda message: None,
) -> AnatomyPrior:
    """Close the mean head, learn identity modes from sampled heads, and fit the template skull into it.

    Args:
        model: Any head model with FLAME's axes that has two eyeballs as parts of their own; any unit it declares.
        template: A complete skull, y up, z forward, any unit.
        landmarks: The 40 points on the template, in its coordinates; None to find them by rule.
        tissue: The depth table.
        credit: Sources, licences and changes.
        size: How large the prior becomes.
        progress: Told what is being done.

    Raises:
        InputError: The head model has no eyeballs, or the template is not a complete skull.
    """
    model = model.in_millimetres()
    mean = Mesh(model.v_template.astype(np.float64), model.faces)
    eyes = head_parts(mean).eye_centres(mean.vertices)
    if eyes is None:
        raise InputError(
            f"head model {model.name!r} has no two eyeballs as parts of their own; give a model with FLAME's layout"
        )
    progress("closing the mean head")
    neck = soft_landmarks(mean)["me"][1] - _NECK_BELOW_MENTON_MM
    closed = close_head(mean, neck_y=neck, vertex_count=size.head_vertices, voxel_mm=size.voxel_mm)
    progress("learning identity modes from sampled heads")
    components = np.stack([closed.binding @ model.shapedirs[:, :, k] for k in range(model.shapedirs.shape[2])])
    offset, modes = learn_modes(components, size.sampled_heads, size.modes, size.seed)
    head = Mesh(closed.mesh.vertices + offset, closed.mesh.faces)
    progress("fitting the skull")
    if landmarks is None:
        landmarks, _ = template_landmarks(template)
    placed = fit_skull(head, eyes, template, landmarks, tissue)
    skull = decimate(placed.skull, 2 * size.skull_vertices)
    on_skull = DistanceScene(skull).closest(np.stack([placed.landmarks[key] for key in ALL_KEYS]))
    progress("unwrapping the skin")
    unwrapped = unwrap(head)  # in the model's frame, in which the neck is cut level
    rotation = placed.T_head_model[:3, :3]
    return AnatomyPrior(
        head=HeadModel(
            v_template=transform_points(placed.T_head_model, head.vertices).astype(np.float32),
            shapedirs=np.einsum("ij,kvj->vik", rotation, modes).astype(np.float32),
            faces=head.faces,
            metres_per_unit=1e-3,
            uv=unwrapped.uv.astype(np.float32),
            uv_faces=unwrapped.faces.astype(np.int32),
            name=f"closed head of {model.name or 'a FLAME-format model'}",
            credit=credit,
        ),
        skull=skull,
        landmark_names=ALL_KEYS,
        landmarks=on_skull,
        control_names=placed.control_names,
        controls=placed.controls,
        directions=placed.directions,
        depths=placed.depths,
        tie_faces=placed.ties.face_ids,
        tie_weights=placed.ties.barycentric,
        tissue=tissue,
        credit=credit,
    )


def learn_modes(components: np.ndarray, samples: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal modes of heads sampled from a linear model with standard normal coefficients.

    Takes components (K, V, 3); returns the mean displacement (V, 3) of the sample and modes (M, V, 3) scaled to
    unit-variance coefficients, largest first.
    """
    count, vertices, _ = components.shape
    flat = components.reshape(count, -1)
    betas = np.random.default_rng(seed).standard_normal((samples, count))
    mean = betas.mean(axis=0)
    # The heads span at most `count` directions: their principal modes follow from the small Gram matrix of the
    # components.
    spread = (betas - mean).T @ (betas - mean) / (samples - 1)
    gram_values, gram_vectors = np.linalg.eigh(flat @ flat.T)
    keep = gram_values > gram_values.max() * 1e-10
    root = (gram_vectors[:, keep] * np.sqrt(gram_values[keep])).T
    variance, axes = np.linalg.eigh(root @ spread @ root.T)
    order = np.argsort(variance)[::-1][: min(most, count)]
    order = order[variance[order] > variance.max() * 1e-8]
    coefficients = (gram_vectors[:, keep] / np.sqrt(gram_values[keep])) @ axes[:, order] * np.sqrt(variance[order])
    modes = (coefficients.T @ flat).reshape(len(order), vertices, 3)
    return (mean @ flat).reshape(vertices, 3), modes

"""A head model that the user gave, fitted to a face field: its topology, texture coordinates and rig."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float

from data.fittable_head import FittableHead
from data.head_parts import head_parts
from fields.head_to_field import FittedHead, SampledField, fit_head_to_field, sampled_distance
from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction
from flame_jax.flame import Flame
from s2f.neck import neck_cap, neck_cut


@dataclasses.dataclass(frozen=True)
class GivenHead:
    """A head model and which of its vertices a field tells something about."""

    head: FittableHead
    outer: Bool[np.ndarray, " vertices"]
    """Outer skin and eyes above the cut through the neck: what is fitted."""
    seeking: Bool[np.ndarray, " vertices"]
    """Of them, skin. Eyeballs stay where the fit puts them, and what lies inside a mouth follows the lips."""

    @classmethod
    def of(cls, head: FittableHead, mean: Mesh) -> GivenHead:
        """From a model in the head frame, and the closed mean head (head frame, mm) that fields are made of."""
        vertices = head.model.v_template.astype(np.float64)
        outer, skin = (np.zeros(len(vertices), dtype=bool) for _ in range(2))
        outer[head.skin.faces.ravel()] = True
        skin[head_parts(Mesh(vertices, head.model.faces)).skin.ravel()] = True
        cap = neck_cap(mean)
        if len(cap):
            point, normal = neck_cut(mean.vertices, cap)
            outer &= (vertices - point) @ normal > 0.0
        return cls(head, outer, outer & skin)

    def fitted(
        self,
        distances: DistanceFunction,
        low: Float[np.ndarray, "3"],
        high: Float[np.ndarray, "3"],
        betas: Float[np.ndarray, " some"] | None = None,
    ) -> FittedHead:
        """The model on a field's zero level.

        Args:
            distances: mm, head frame, negative inside.
            low: The least corner of a box around the face, mm; always the same box, or the fit is compiled anew …
            high: … and the greatest.
            betas: Where to begin; the mean by default.
        """
        field = SampledField.of(distances, low, high)
        weights = self.outer.astype(np.float32)
        return fit_head_to_field(self._flame, sampled_distance, (field,), weights=weights, betas=betas)

    @functools.cached_property
    def _flame(self) -> Flame:
        return Flame.of(self.head.model)

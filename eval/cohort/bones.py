"""Whether a cohort's bones stay under the skin, and whether neither side is favoured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from eval.cohort.people import People
from fields.distance import DistanceScene
from fields.mesh import Mesh

_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Bones:
    """Of some people, mm."""

    out_of_skin: int
    """Vertices of skulls, over all people, that lie outside the skin."""
    farthest_out_mm: float
    """The signed distance of that which lies farthest out; negative where none does."""
    asymmetry_mm: float
    """Mean distance of the mean skull's vertices from the mean skull's mirror image, less the same of the prior's."""
    people: int


def measure_bones(people: People, say: Callable[[str], None] = lambda text: None) -> Bones:
    """Measure all skulls."""
    count, farthest = 0, -np.inf
    for person in range(len(people)):
        say(f"person {person + 1} of {len(people)}")
        outside = DistanceScene(people.head(person)).signed_distance(people.skulls[person].astype(np.float64))
        count += int((outside > 0.0).sum())
        farthest = max(farthest, float(outside.max()))
    return Bones(count, farthest, asymmetry_mm(people), len(people))


def asymmetry_mm(people: People) -> float:
    """As in `Bones`; of few people it is more, since each is a little lopsided."""
    mean = Mesh(people.skulls.mean(axis=0, dtype=np.float64), people.prior.skull.faces)
    return _own_asymmetry_mm(mean) - _own_asymmetry_mm(people.prior.skull)


def _own_asymmetry_mm(mesh: Mesh) -> float:
    return float(DistanceScene(mesh).distance(mesh.vertices * _MIRROR).mean())

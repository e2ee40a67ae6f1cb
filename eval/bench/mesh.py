"""Meshing a field coarse to fine against a dense grid: what is asked, how long it takes, whether the surface is the
same.

The field is whatever can be evaluated by `fields.jitted_chunks`: a trained network, or `made_field`, which costs as
much as one and needs none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from eval.bench.table import BenchTable, Row, machine
from eval.bench.timing import in_turn
from fields.coarse_to_fine import DistanceFunction, mesh_field, sample_everywhere
from fields.distance import DistanceScene
from fields.head_to_field import SampledField, sampled_distance
from fields.jitted_chunks import JittedChunks
from fields.mesh import Mesh

_WIDTH, _LAYERS = 128, 3
"""Of the network that was tried first (DESIGN, "The field")."""
_BUMPS_MM = 1.0
_WAVE_MM = 60.0
"""Height and length of what `made_field` adds: as smooth as faces differ."""
_MARGIN_MM = 8.0
"""Around a head, so that none leaves the box."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    resolutions: tuple[int, ...]
    """Cells along the longest side."""
    rounds: int
    spacing_mm: float
    """Of the made field's grid."""


FULL, QUICK = Size((128, 256), 3, 2.0), Size((64,), 1, 6.0)


@dataclasses.dataclass(frozen=True)
class MeasuredField:
    """A field to be meshed."""

    name: str
    distances: DistanceFunction
    """Of host points (mm), mm, negative inside; compiled at its first call."""
    low: Float[np.ndarray, "3"]
    """The box, mm."""
    high: Float[np.ndarray, "3"]


@dataclasses.dataclass(frozen=True)
class Deviation:
    """Distances from each of two surfaces' vertices to the other surface, in voxels."""

    largest: float
    mean: float

    @classmethod
    def of(cls, ours: Mesh, dense: Mesh, voxel: float) -> Deviation:
        """Of two meshes of one field; `voxel` is the grid's spacing."""
        both = [DistanceScene(b).distance(a.vertices) for a, b in ((ours, dense), (dense, ours))]
        away = np.concatenate(both) / voxel
        return cls(float(away.max()), float(away.mean()))


def made_field(head: Mesh, spacing_mm: float) -> MeasuredField:
    """A head's signed distance on a grid, read trilinearly, and a small random network that bends it: what a trained
    field costs. The head is closed, mm."""
    low, high = head.vertices.min(axis=0) - _MARGIN_MM, head.vertices.max(axis=0) + _MARGIN_MM
    rng = np.random.default_rng(0)
    widths = [3, *[_WIDTH] * _LAYERS, 1]
    layers = [rng.normal(size=(a, b)) / np.sqrt(a) for a, b in pairwise(widths)]
    layers[0] *= 2 * np.pi / _WAVE_MM
    parameters = (
        SampledField.of(DistanceScene(head).signed_distance, low, high, spacing_mm),
        [layer.astype(np.float32) for layer in layers],
    )
    return MeasuredField("the prior's head, bent by a network", JittedChunks(_bent_head).of(parameters), low, high)


def _bent_head(parameters: tuple[SampledField, list[jax.Array]], points: jax.Array) -> jax.Array:
    head, (first, *inner, last) = parameters
    hidden = jnp.sin(points @ first)
    for layer in inner:
        hidden = jnp.tanh(hidden @ layer)
    return sampled_distance(points, head) + _BUMPS_MM * (hidden @ last)[:, 0]


def bench_mesh(field: MeasuredField, size: Size, say: Callable[[str], None] = lambda text: None) -> BenchTable:
    """Measure one field at all resolutions.

    Raises:
        ValueError: The field has no surface in its box, or is not finite there.
    """
    context = machine()
    rows = tuple(_row(field, field.distances, resolution, size.rounds, say) for resolution in size.resolutions)
    return BenchTable(f"Meshing {field.name}", rows, (), context)


def _row(
    field: MeasuredField, distances: DistanceFunction, resolution: int, rounds: int, say: Callable[[str], None]
) -> Row:
    def coarse_to_fine() -> Mesh:
        return mesh_field(distances, field.low, field.high, resolution)[0]

    def dense() -> Mesh:
        return sample_everywhere(distances, field.low, field.high, resolution).surface()

    say(f"{resolution}³: comparing surfaces")
    ours, evaluations = mesh_field(distances, field.low, field.high, resolution)
    deviation = Deviation.of(ours, dense(), float((field.high - field.low).max()) / resolution)
    say(f"{resolution}³: taking times")
    seconds = in_turn({"ours": coarse_to_fine, "peer": dense}, rounds)
    return Row.of(
        f"{resolution}³",
        "the same grid evaluated everywhere",
        seconds["ours"],
        seconds["peer"],
        note=(
            f"{evaluations.asked:,} of {evaluations.dense:,} evaluations ({100 * evaluations.share:.2f} %); surfaces "
            f"differ by {deviation.largest:.1e} voxels at most, {deviation.mean:.1e} on average"
        ),
    )

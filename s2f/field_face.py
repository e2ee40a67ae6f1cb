"""From an aligned skull to a face by a trained field: the network's route of `s2f reconstruct`.

implicit     the zero level of f by marching cubes, without neck
parametric   the head model's coefficients alone
hybrid       the head moved onto the zero level of f: the topology of the former, the surface of the latter
"""

from __future__ import annotations

import dataclasses
import functools
import time

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from fields.coarse_to_fine import mesh_field
from fields.distance import DistanceScene
from fields.face_model import FaceModel, Reading
from fields.face_surface import face_surface, largest_component
from fields.field_config import Representation
from fields.head_to_field import FittedHead
from fields.latent import POSE
from fields.mesh import Mesh
from fields.narrow_band import DistanceFunction
from fields.onto_surface import onto_surface
from flame_jax.errors import InputError
from s2f.face_spread import carried, spread_of_head
from s2f.given_head import GivenHead
from s2f.neck import neck_cap, neck_cut
from s2f.skull_reading import read_skull

RESOLUTION = 256
"""Cells along the longest side of the box: 1.1 mm each."""
_BOX_MM = 6.0
"""Around the grid of the mean head, for heads that are turned and moved."""
_SPREAD = 1.5
"""Times that an open mouth makes a triangle longer, from which on it is no skin."""


@dataclasses.dataclass(frozen=True)
class Surface:
    """The face of one code."""

    mesh: Mesh
    """Head frame, mm."""
    asked: int
    """How often the field was asked."""
    fitted: FittedHead | None = None
    """The head model that the user gave, before it was moved onto the field."""
    met: float | None = None
    """Share of the vertices that met the field's surface, of those that were to; hybrid only."""


@dataclasses.dataclass(frozen=True)
class FieldFace:
    """A face and what the field says of it."""

    representation: Representation
    fullness: float | None
    """That the network was told."""
    surface: Surface
    """Of the posterior's mean."""
    sd_mm: Float[np.ndarray, " vertices"]
    """At the surface's vertices, along their normals."""
    samples: tuple[Mesh, ...]
    """Of draws from the posterior, in the same representation; head frame, mm."""
    latent: Float[np.ndarray, " code"]
    """The posterior's mean: `fields.latent`."""
    latent_sd: Float[np.ndarray, " code"]
    distances: DistanceFunction
    """Of the face; mm, head frame."""
    trust: float
    """Mean over the anchors: how much of the skull was there and believed, 0 to 1."""
    seconds: dict[str, float]


@dataclasses.dataclass(frozen=True)
class FieldFaces:
    """Makes faces with one field. Keep it: what it compiles serves all skulls."""

    model: FaceModel
    points: int
    """Of a skull in one reading, as in training."""
    given: GivenHead | None = None
    """A head model to use instead of the field's own head."""

    def face(
        self,
        skull: Mesh,
        *,
        fullness: float | None = None,
        representation: Representation = "hybrid",
        samples: int = 0,
        seed: int = 0,
    ) -> FieldFace:
        """The face of a skull.

        Args:
            skull: Cleaned; head frame, mm.
            fullness: Standard deviations; None where it is not known, which is not the same as 0.
            representation: See the module's docstring.
            samples: How many further faces to draw from what is plausible.
            seed: Of the skull's points and of the samples.

        Raises:
            InputError: No bone in the head frame, or a field that has no surface there.
        """
        clock = _Clock()
        reading = read_skull(self.model, skull, points=self.points, fullness=fullness, seed=seed)
        latent = np.asarray(reading.posterior.mean)
        clock.stop("reading the skull")
        surface = self.surface(reading, latent, representation)
        clock.stop("making the surface")
        sd = self.spread(reading, latent, surface.mesh)
        clock.stop("telling how sure it is")
        drawn = tuple(
            self.surface(reading, code, representation, start=surface).mesh for code in draws(reading, samples, seed)
        )
        if samples:
            clock.stop("drawing samples")
        posterior = reading.posterior
        variance = np.exp(2.0 * np.asarray(posterior.log_sd)) + (np.asarray(posterior.factor) ** 2).sum(axis=1)
        return FieldFace(
            representation=representation,
            fullness=fullness,
            surface=surface,
            sd_mm=sd,
            samples=drawn,
            latent=latent,
            latent_sd=np.sqrt(variance),
            distances=self._distances(reading, latent, representation),
            trust=float(np.asarray(reading.code.trust).mean()),
            seconds=clock.seconds,
        )

    def surface(
        self,
        reading: Reading,
        latent: Float[np.ndarray, " code"],
        representation: Representation,
        *,
        start: Surface | None = None,
    ) -> Surface:
        """The face of a code. `start` is one of the same skull, at whose coefficients a given head model begins.

        Raises `InputError` where the field has no surface.
        """
        f = _Counted(self._distances(reading, latent, representation))
        low, high = self.box
        try:
            if representation == "implicit":
                return Surface(self._without_neck(mesh_field(f, low, high, RESOLUTION)[0], latent), f.asked)
            fitted = None
            if self.given is not None:
                begin = None if start is None or start.fitted is None else start.fitted.betas
                fitted = self.given.fitted(f, low, high, begin)
            head = self._head(latent, representation) if fitted is None else fitted.mesh
            if representation == "parametric":
                return Surface(head, f.asked, fitted)
            seeking = self._seeking(head.vertices, latent) if self.given is None else self.given.seeking
            moved = onto_surface(head, f, seeking=seeking)
        except ValueError as error:
            raise InputError(f"the face field makes no face of this skull ({error}); try --classic") from None
        met = float(moved.met[seeking].mean())
        return Surface(moved.mesh, f.asked, fitted, met)

    def spread(
        self, reading: Reading, latent: Float[np.ndarray, " code"], mesh: Mesh
    ) -> Float[np.ndarray, " vertices"]:
        """Standard deviation along the normal at the vertices of a face of this skull, mm."""
        head = self._head(latent, "hybrid")
        own = mesh.faces.shape == head.faces.shape and np.array_equal(mesh.faces, head.faces)
        normals = (mesh if own else head).vertex_normals()
        sd = spread_of_head(self.model.prior, reading.posterior, latent, normals)
        return sd if own else carried(sd, head, mesh)

    @functools.cached_property
    def box(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Corners of a box around every head, head frame, mm; the same for all, so that nothing is compiled anew."""
        grids = self.model.prior.grids
        low = np.asarray(grids.low, np.float64)
        high = low + float(grids.spacing) * (np.array(grids.distance.shape) - 1.0)
        return low - _BOX_MM, high + _BOX_MM

    @functools.cached_property
    def faces(self) -> Int[np.ndarray, "faces 3"]:
        """Triangles of the field's own head."""
        return np.asarray(self.model.prior.faces, np.int32)

    @functools.cached_property
    def _cap(self) -> Int[np.ndarray, " cap"]:
        return neck_cap(Mesh(np.asarray(self.model.prior.mean, np.float64), self.faces))

    def _distances(
        self, reading: Reading, latent: Float[np.ndarray, " code"], representation: Representation
    ) -> DistanceFunction:
        """Of the field, or of the head alone."""
        if representation == "parametric":
            return DistanceScene(self._head(latent, representation)).signed_distance
        return self.model.distances(reading, latent)

    def _head(self, latent: Float[np.ndarray, " code"], representation: Representation) -> Mesh:
        if representation == "parametric":
            residual = slice(len(latent) - POSE - self.model.config.residual_modes, len(latent) - POSE)
            latent = latent.copy()
            latent[residual] = 0.0
        return Mesh(self.model.head(latent), self.faces)

    def _seeking(
        self, vertices: Float[np.ndarray, "vertices 3"], latent: Float[np.ndarray, " code"]
    ) -> Bool[np.ndarray, " vertices"]:
        """Which of the own head's vertices are to meet the field. Not the cap of the neck, whose edge would be drawn
        out, nor what is spread between open lips, where a field that has to jump has something of its own."""
        seeking = np.ones(len(vertices), dtype=bool)
        if len(self._cap):
            point, normal = neck_cut(vertices, self._cap)
            seeking = (vertices - point) @ normal > 0.0
        shut = latent.copy()
        shut[-POSE] = 0.0
        longest = [
            np.linalg.norm(at[self.faces] - at[np.roll(self.faces, 1, axis=1)], axis=2).max(axis=1)
            for at in (vertices, self.model.head(shut))
        ]
        seeking[self.faces[longest[0] > _SPREAD * longest[1]]] = False
        return seeking

    def _without_neck(self, mesh: Mesh, latent: Float[np.ndarray, " code"]) -> Mesh:
        if not len(self._cap):
            return largest_component(mesh)
        return face_surface(mesh, *neck_cut(self._head(latent, "hybrid").vertices, self._cap))


def draws(reading: Reading, count: int, seed: int) -> list[Float[np.ndarray, " code"]]:
    """Codes drawn from a posterior. The first of many are those of few."""
    key = jax.random.key(seed)
    return [np.asarray(reading.posterior.sample(jax.random.fold_in(key, number))) for number in range(count)]


class _Counted:
    """A field that counts how often it is asked."""

    def __init__(self, distances: DistanceFunction) -> None:
        self._distances = distances
        self.asked = 0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        self.asked += len(points)
        return self._distances(points)


class _Clock:
    """Wall time of one step after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, what: str) -> None:
        """The step that ends now."""
        now = time.perf_counter()
        self.seconds[what] = round(now - self._last, 3)
        self._last = now

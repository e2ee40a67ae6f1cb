"""From a skull to a face: the Python API behind `s2f reconstruct`."""

from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.align import Alignment, align_skull
from data.cleaning import clean
from data.fittable_head import FittableHead
from data.landmarks import ALL_KEYS
from data.parametric import fit_head
from data.prior import AnatomyPrior, read_prior
from data.shipped import FIELD, PRIOR
from data.units import Unit, guess_unit
from fields.field_config import Representation
from fields.mesh import Mesh, transform_points
from flame_jax import HeadModel, read_head_model
from flame_jax.errors import InputError
from s2f.classic_face import classic_record
from s2f.face import NOT_MODELLED, Face
from s2f.field_face import FieldFaces
from s2f.field_file import TrainedField, read_field
from s2f.field_record import field_record, field_warnings
from s2f.given_head import GivenHead
from s2f.provenance import SEED


@dataclasses.dataclass(frozen=True)
class Reconstructor:
    """An anatomy prior, a head model and perhaps a trained field, ready to reconstruct faces."""

    prior: AnatomyPrior
    head: FittableHead
    """The prior's own, or one that the user gave."""
    field: TrainedField | None = None
    """None for the classic route: a head model fitted to landmarks and tissue depths."""

    def reconstruct(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "faces 3"],
        *,
        unit: str | None = None,
        fullness: float | None = None,
        landmarks: dict[str, list[float]] | None = None,
        representation: str | None = None,
        samples: int = 0,
        force: bool = False,
        source: str = "skull",
    ) -> Face:
        """Reconstruct the face of a skull.

        Args:
            vertices: Of the skull, in any frame and pose, in mm, cm or m.
            faces: Of the skull.
            unit: `mm`, `cm` or `m`; guessed from the size if not given.
            fullness: Of the face in standard deviations; None where it is not known: the field then leaves it open, and
                the classic route takes the mean, 0.
            landmarks: Points that the user placed, in the skull's frame and unit; they replace those found. The field
                reads bone and not landmarks, so that they move the classic route's faces only.
            representation: `implicit`, `parametric` or `hybrid` (`s2f.field_face`); by default hybrid with a field, and
                without one parametric, which then is the only one.
            samples: How many further faces to draw from what is plausible; needs a field.
            force: Go on even if the mesh does not look like a skull.
            source: What to call the skull in messages.

        Raises:
            InputError: Not a skull, no unit that fits, unknown landmarks, or a representation that cannot be made.
        """
        chosen = self._representation(representation, samples)
        seconds: dict[str, float] = {}
        skull, measure = _prepared_skull(vertices, faces, unit, source, seconds)
        start = time.perf_counter()
        alignment = align_skull(_in_mm(skull, measure), self.prior, source=source, force=force)
        seconds["aligning the skull"] = round(time.perf_counter() - start, 3)
        T_head_input = alignment.T_head_skull @ np.diag([measure.mm_per_unit] * 3 + [1.0])
        alignment = _with_landmarks(alignment, landmarks or {}, T_head_input, source)
        placed = skull.transformed(T_head_input)
        start = time.perf_counter()
        if self.field is None:
            made = self._classic(alignment, placed, fullness)
            seconds["fitting the head"] = round(time.perf_counter() - start, 3)
        else:
            made = self._by_field(self.field, alignment, placed, fullness, chosen, samples)
        common = _common_record(alignment, T_head_input, measure, fullness, set(landmarks or {}))
        own = made.record
        warnings = [*common.pop("warnings"), *own.pop("warnings", [])]
        if landmarks and self.field is not None:
            warnings.append("your landmarks do not move the face: the field reads the bone itself; --classic uses them")
        not_modelled = [*NOT_MODELLED, *own.pop("not_modelled", [])]
        timings = seconds | own.pop("timings_s", {})
        to_input = np.linalg.inv(T_head_input)
        return dataclasses.replace(
            made,
            mesh=made.head_frame_mesh.transformed(to_input),
            samples=tuple(sample.transformed(to_input) for sample in made.samples),
            record=common
            | own
            | {"warnings": warnings, "not_modelled": not_modelled, "timings_s": timings, "credit": self._credit()},
        )

    def _representation(self, representation: str | None, samples: int) -> Representation:
        """The one that is made. Raises InputError for one that cannot be."""
        if self.field is None:
            for asked, what in (
                (representation not in (None, "parametric"), f"representation {representation}"),
                (samples > 0, "samples"),
            ):
                if asked:
                    raise InputError(f"{what} cannot be made without a trained field; give one, with --checkpoint")
            return "parametric"
        if representation not in (None, "implicit", "parametric", "hybrid"):
            raise InputError(f"no representation is named {representation}; choose implicit, parametric or hybrid")
        return representation or "hybrid"  # type: ignore[return-value]

    def _classic(self, alignment: Alignment, skull: Mesh, fullness: float | None) -> Face:
        """Head frame; of the record, what this route says."""
        fitted = fit_head(self.head, alignment, self.prior, fullness or 0.0)
        record = classic_record(fitted, self.head.model.name)
        if fullness is None:
            record["not_modelled"] = ["fullness (the table's mean was taken)"]
        return Face(fitted.mesh, record, fitted.mesh, skull, self.head.model.uv, self.head.model.uv_faces)

    def _by_field(
        self,
        field: TrainedField,
        alignment: Alignment,
        skull: Mesh,
        fullness: float | None,
        representation: Representation,
        samples: int,
    ) -> Face:
        """Head frame; of the record, what this route says."""
        faces = self._field_faces
        made = faces.face(skull, fullness=fullness, representation=representation, samples=samples, seed=SEED)
        record = field_record(made, faces, field, alignment, self.prior.head.name)
        record["timings_s"] = made.seconds
        record["warnings"] = field_warnings(made, alignment)
        if faces.given is not None and representation == "implicit":
            record["warnings"].append("--head-model has no part in an implicit face; take hybrid or parametric")
        if fullness is None:
            record["not_modelled"] = ["fullness (it was left open, so the face is one of medium fullness)"]
        if samples:
            record["samples"] = {"count": samples, "seed": SEED}
        mesh, model = made.surface.mesh, self.head.model
        same = len(mesh.faces) == len(model.faces) and np.array_equal(mesh.faces, model.faces)
        uv, uv_faces = (model.uv, model.uv_faces) if same else (None, None)
        return Face(mesh, record, mesh, skull, uv, uv_faces, made.sd_mm, made.samples)

    @functools.cached_property
    def _field_faces(self) -> FieldFaces:
        assert self.field is not None
        given = None
        if self.head.model is not self.prior.head:
            given = GivenHead.of(self.head, self.prior.head_mesh())
        return FieldFaces(self.field.model, self.field.skull_points, given)

    def _credit(self) -> str:
        """Of all that the face is made of, each line once."""
        credits = [self.prior.credit, self.head.model.credit, "" if self.field is None else self.field.credit]
        return "\n".join(dict.fromkeys(line for credit in credits for line in credit.splitlines()))


def load(
    prior: Path | None = None,
    head_model: Path | None = None,
    checkpoint: Path | None = None,
    *,
    classic: bool = False,
) -> Reconstructor:
    """Load what a reconstruction needs.

    Args:
        prior: An anatomy prior made by `s2f build-prior`; the shipped one by default.
        head_model: A FLAME-format file; the prior's own head by default.
        checkpoint: A trained field: its file, or the folder of a training run; the shipped one by default.
        classic: Without a field: a head model fitted to landmarks and tissue depths.

    Raises:
        InputError: A file is missing or not what it should be, or the field was trained with another prior.
    """
    if classic and checkpoint is not None:
        raise InputError(f"{checkpoint}: the classic route uses no field; leave out --checkpoint or --classic")
    anatomy = read_prior(prior or PRIOR)
    model: HeadModel | None = None if head_model is None else read_head_model(head_model)
    field = None
    if not classic and (checkpoint is not None or FIELD.is_file()):
        field = read_field(checkpoint or FIELD)
        field.check_goes_with(anatomy)
    if model is None:
        return Reconstructor(anatomy, FittableHead.of_prior(anatomy), field)
    return Reconstructor(anatomy, FittableHead.of_model(model, anatomy, source=str(head_model)), field)


def _common_record(
    alignment: Alignment,
    T_head_input: Float[np.ndarray, "4 4"],
    unit: Unit,
    fullness: float | None,
    placed: set[str],
) -> dict[str, Any]:
    """What both routes say."""
    to_input = np.linalg.inv(T_head_input)
    return {
        "what": "facial approximation – not an identification",
        "unit": unit.name,
        "mm_per_unit": unit.mm_per_unit,
        "T_head_input": T_head_input.tolist(),
        "landmarks_head_mm": {key: point.tolist() for key, point in alignment.landmarks.items()},
        "landmarks_input": {
            key: transform_points(to_input, point).tolist() for key, point in alignment.landmarks.items()
        },
        "landmarks_placed_by_user": sorted(placed),
        "landmarks_missing": [key for key in ALL_KEYS if key not in alignment.landmarks],
        "alignment": {
            "scale_to_template": round(alignment.scale, 4),
            "facial_misfit_mm": round(alignment.face_misfit_mm, 2),
            "facial_skeleton_found": round(alignment.face_covered, 3),
            "mandible": alignment.jaw.present,
            "jaw_opening_mm": round(alignment.jaw.opening_mm, 1),
        },
        "fullness": fullness,
        "warnings": [unit.sentence, *alignment.warnings],
    }


def _prepared_skull(
    vertices: np.ndarray, faces: np.ndarray, unit: str | None, source: str, seconds: dict[str, float]
) -> tuple[Mesh, Unit]:
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int32)
    if vertices.ndim != 2 or vertices.shape[1:] != (3,) or faces.ndim != 2 or faces.shape[1:] != (3,) or not len(faces):
        raise InputError(f"{source}: vertices and faces must be arrays of shape (n, 3) with at least one face")
    if not np.isfinite(vertices).all():
        raise InputError(f"{source}: has vertices that are not finite numbers; repair or export the mesh again")
    start = time.perf_counter()
    skull = clean(Mesh(vertices, faces))
    if not len(skull.faces):
        raise InputError(f"{source}: nothing is left after cleaning; all triangles were without area")
    seconds["cleaning the skull"] = round(time.perf_counter() - start, 3)
    return skull, guess_unit(skull, source=source, override=unit)


def _in_mm(skull: Mesh, unit: Unit) -> Mesh:
    return Mesh(skull.vertices * unit.mm_per_unit, skull.faces)


def _with_landmarks(
    alignment: Alignment, landmarks: dict[str, list[float]], T_head_input: np.ndarray, source: str
) -> Alignment:
    """The alignment with the user's landmarks in place of those found."""
    unknown = sorted(set(landmarks) - set(ALL_KEYS))
    if unknown:
        raise InputError(f"{source}: no landmark is named {', '.join(unknown)}; known are {', '.join(ALL_KEYS)}")
    placed = {
        key: transform_points(T_head_input, np.asarray(point, dtype=np.float64)) for key, point in landmarks.items()
    }
    return dataclasses.replace(alignment, landmarks={**alignment.landmarks, **placed})

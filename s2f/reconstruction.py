"""From a skull to a face: the Python API behind `s2f reconstruct`."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.align import Alignment, align_skull
from data.cleaning import clean
from data.fittable_head import FittableHead
from data.landmarks import ALL_KEYS
from data.mesh_files import WRITABLE, write_mesh
from data.parametric import FittedHead, fit_head
from data.prior import AnatomyPrior, read_prior
from data.units import Unit, guess_unit
from fields.mesh import Mesh, transform_points
from flame_jax import read_head_model
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file
from s2f.outputs import check_extension
from s2f.shipped import PRIOR

NOT_MODELLED = ("ancestry", "age", "sex", "hair", "skin colour and texture", "expression")
"""What no face of ours tells anything about."""


@dataclasses.dataclass(frozen=True)
class Face:
    """A reconstructed face."""

    mesh: Mesh
    """In the skull's own frame and unit."""
    record: dict[str, Any]
    """All that is known of it, JSON-able: coefficients, transforms, landmarks, depths, warnings, credit."""
    head_frame_mesh: Mesh
    """The same face in the head frame, mm."""
    head_frame_skull: Mesh
    """The cleaned skull in the head frame, mm."""
    uv: Float[np.ndarray, "coordinates 2"] | None
    uv_faces: Int[np.ndarray, "faces 3"] | None

    def write(
        self,
        path: Path,
        *,
        extra_record: dict[str, Any] | None = None,
        picture: bool = True,
        true_face: Mesh | None = None,
        error_mm: Float[np.ndarray, " vertices"] | None = None,
        caption: str | None = None,
    ) -> None:
        """Write the mesh and, beside it, its record (.json) and picture (.png).

        Args:
            path: The mesh; its extension chooses the format.
            extra_record: Goes into the record too.
            picture: Whether to draw.
            true_face: The face as it is known to be, head frame, mm, for the picture.
            error_mm: Signed error at the face's vertices, for the picture; NaN where it is not scored.
            caption: Of the picture.
        """
        check_extension(path, WRITABLE)
        credit = self.record["credit"]
        # The picture comes first: it takes longest, and an interrupted run then leaves no mesh without a record.
        if picture:
            from s2f.picture import face_picture

            face_picture(
                path.with_suffix(".png"),
                face=self.head_frame_mesh,
                skull=self.head_frame_skull,
                true_face=true_face,
                error_mm=error_mm,
                caption=caption or f"s2f, {self.record['representation']} reconstruction",
                credit=credit,
            )
        with whole_file(path.with_suffix(".json")) as unfinished:
            text = json.dumps(self.record | (extra_record or {}), indent=1, allow_nan=False)
            unfinished.write_text(text + "\n", encoding="utf-8")
        write_mesh(path, self.mesh, uv=self.uv, uv_faces=self.uv_faces, credit=credit)


@dataclasses.dataclass(frozen=True)
class Reconstructor:
    """An anatomy prior and a head model, ready to reconstruct faces."""

    prior: AnatomyPrior
    head: FittableHead

    def reconstruct(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "faces 3"],
        *,
        unit: str | None = None,
        fullness: float | None = None,
        landmarks: dict[str, list[float]] | None = None,
        representation: str = "parametric",
        force: bool = False,
        source: str = "skull",
    ) -> Face:
        """Reconstruct the face of a skull.

        Args:
            vertices: Of the skull, in any frame and pose, in mm, cm or m.
            faces: Of the skull.
            unit: `mm`, `cm` or `m`; guessed from the size if not given.
            fullness: Of the face in standard deviations; None counts as the mean, 0.
            landmarks: Points that the user placed, in the skull's frame and unit; they replace those found.
            representation: `parametric`; the field's others are refused until there is one.
            force: Go on even if the mesh does not look like a skull.
            source: What to call the skull in messages.

        Raises:
            InputError: Not a skull, no unit that fits, unknown landmarks, or a representation that cannot be made.
        """
        if representation != "parametric":
            raise InputError(
                f"no field is trained yet, so representation {representation} cannot be made; use parametric"
            )
        seconds: dict[str, float] = {}
        skull, measure = _prepared_skull(vertices, faces, unit, source, seconds)
        start = time.perf_counter()
        alignment = align_skull(_in_mm(skull, measure), self.prior, source=source, force=force)
        seconds["aligning the skull"] = round(time.perf_counter() - start, 3)
        T_head_input = alignment.T_head_skull @ np.diag([measure.mm_per_unit] * 3 + [1.0])
        alignment = _with_landmarks(alignment, landmarks or {}, T_head_input, source)
        start = time.perf_counter()
        fitted = fit_head(self.head, alignment, self.prior, fullness or 0.0)
        seconds["fitting the head"] = round(time.perf_counter() - start, 3)
        return Face(
            mesh=fitted.mesh.transformed(np.linalg.inv(T_head_input)),
            record=self._record(alignment, fitted, T_head_input, measure, fullness, set(landmarks or {}), seconds),
            head_frame_mesh=fitted.mesh,
            head_frame_skull=skull.transformed(T_head_input),
            uv=self.head.model.uv,
            uv_faces=self.head.model.uv_faces,
        )

    def _record(
        self,
        alignment: Alignment,
        fitted: FittedHead,
        T_head_input: np.ndarray,
        unit: Unit,
        fullness: float | None,
        placed: set[str],
        seconds: dict[str, float],
    ) -> dict[str, Any]:
        depths = {
            name: {"target_mm": round(target, 2), "result_mm": _rounded(fitted.depths_mm.get(name))}
            for name, target in fitted.depth_targets_mm.items()
        }
        misses = [
            abs(fitted.depths_mm[name] - target)
            for name, target in fitted.depth_targets_mm.items()
            if name in fitted.depths_mm
        ]
        to_input = np.linalg.inv(T_head_input)
        return {
            "what": "facial approximation – not an identification",
            "representation": "parametric",
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
            "head": {
                "model": self.head.model.name,
                "betas": fitted.betas.tolist(),
                "betas_sd": fitted.betas_sd.tolist(),
                "turn_rad": fitted.turn.tolist(),
                "move_mm": fitted.move.tolist(),
                "solver": fitted.outcome,
            },
            "fullness": fullness,
            "depths": depths,
            "depth_misfit_mean_mm": _rounded(float(np.mean(misses))) if misses else None,
            "least_skin_over_bone_mm": _rounded(fitted.least_cover_mm),
            "warnings": [unit.sentence, *alignment.warnings],
            "not_modelled": list(NOT_MODELLED)
            + (["fullness (the table's mean was taken)"] if fullness is None else []),
            "timings_s": seconds,
            "credit": self.prior.credit
            if self.head.model.credit in self.prior.credit
            else f"{self.prior.credit}\n{self.head.model.credit}",
        }


def load(prior: Path | None = None, head_model: Path | None = None) -> Reconstructor:
    """Load what a reconstruction needs: the shipped anatomy prior, or one made by `s2f build-prior`, and its head or
    a FLAME-format file.

    Raises `InputError` when a file is missing or is not what it should be.
    """
    anatomy = read_prior(prior or PRIOR)
    if head_model is None:
        return Reconstructor(anatomy, FittableHead.of_prior(anatomy))
    return Reconstructor(anatomy, FittableHead.of_model(read_head_model(head_model), anatomy, source=str(head_model)))


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


def _rounded(value: float | None) -> float | None:
    return round(value, 2) if value is not None and np.isfinite(value) else None

"""A reconstructed face, and its files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.mesh_files import WRITABLE, write_mesh
from eval.regions import face_mask
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file
from s2f.face_spread import spread_file
from s2f.outputs import check_extension, face_outputs, sample_outputs, spread_output

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
    sd_mm: Float[np.ndarray, " vertices"] | None = None
    """Standard deviation along the normal at each vertex of the mesh; None where nothing is known of it."""
    samples: tuple[Mesh, ...] = ()
    """Other faces that the skull may have had, in its own frame and unit."""

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
        """Write the mesh and, beside it, its record (.json), its picture (.png), its standard deviations (.sd.json) and
        samples (_001, …): all of them, or none.

        Args:
            path: The mesh; its extension chooses the format.
            extra_record: Goes into the record too.
            picture: Whether to draw.
            true_face: The face as it is known to be, head frame, mm, for the picture.
            error_mm: Signed error at the face's vertices, for the picture; NaN where it is not scored. Without, the
                picture shows the standard deviation.
            caption: Of the picture.

        Raises:
            InputError: The extension is unknown, or a file cannot be written.
        """
        check_extension(path, WRITABLE)
        credit = self.record["credit"]
        others = sample_outputs(path, len(self.samples))
        record = self.record | (extra_record or {})
        if others:
            record = record | {"samples": record.get("samples", {}) | {"files": [other.name for other in others]}}
        mesh_file, record_file, picture_file = face_outputs(path)
        with contextlib.ExitStack() as files:
            # The mesh is entered first and so appears last: it is what tells that all is there.
            mesh_at, record_at = (files.enter_context(whole_file(file)) for file in (mesh_file, record_file))
            if picture:
                self._draw(files.enter_context(whole_file(picture_file)), true_face, error_mm, caption)
            for other, mesh in zip(others, self.samples, strict=True):
                uv, uv_faces = (None, None) if len(mesh.faces) != len(self.mesh.faces) else (self.uv, self.uv_faces)
                write_mesh(files.enter_context(whole_file(other)), mesh, uv=uv, uv_faces=uv_faces, credit=credit)
            if self.sd_mm is not None:
                spread_at = files.enter_context(whole_file(spread_output(path)))
                spread_at.write_text(json.dumps(spread_file(path.name, self.sd_mm)) + "\n", encoding="utf-8")
            record_at.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            write_mesh(
                mesh_at, self.mesh, uv=self.uv, uv_faces=self.uv_faces, credit=credit, values=self._mesh_values()
            )

    def _mesh_values(self) -> dict[str, Float[np.ndarray, " vertices"]]:
        return {} if self.sd_mm is None else {"sd_mm": self.sd_mm}

    def _draw(
        self,
        path: Path,
        true_face: Mesh | None,
        error_mm: Float[np.ndarray, " vertices"] | None,
        caption: str | None,
    ) -> None:
        from s2f.picture import face_picture

        colours: dict[str, Any] = {} if error_mm is None else {"error_mm": error_mm}
        if error_mm is None and self.sd_mm is not None:
            colours = {"error_mm": self._sd_on_face(), "error_name": "Standard deviation along the normal"}
        face_picture(
            path,
            face=self.head_frame_mesh,
            skull=self.head_frame_skull,
            true_face=true_face,
            caption=caption or f"s2f, {self.record['representation']} reconstruction",
            credit=self.record["credit"],
            **colours,
        )

    def _sd_on_face(self) -> Float[np.ndarray, " vertices"]:
        """Not a number beyond the face, where nothing is scored: nobody has measured what it is worth there."""
        assert self.sd_mm is not None
        marks = {key: np.array(point) for key, point in self.record["landmarks_head_mm"].items()}
        mesh = self.head_frame_mesh
        try:
            return np.where(face_mask(mesh.vertices, mesh.vertex_normals(), marks), self.sd_mm, np.nan)
        except InputError:
            return self.sd_mm

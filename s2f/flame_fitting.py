"""A head model fitted to a scan of a head or face: the Python API behind `s2f fit-flame`."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data.mesh_files import WRITABLE, write_mesh
from data.units import guess_unit
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError
from flame_jax.flame import Flame
from flame_jax.landmark_embedding import LandmarkEmbeddings
from flame_jax.model import HeadModel
from flame_jax.whole_file import whole_file
from s2f.fit_record import ScanDistances, fit_record, scan_distances
from s2f.head_solving import SolvedHead, solve_head
from s2f.outputs import check_extension
from s2f.point_files import checked_points
from s2f.scan_landmarks import ScanLandmarks
from s2f.scan_placing import cleaned_scan, places

_LEAST_MATCHED = 0.15
_LARGEST_MEDIAN_MM = 1.5
_LARGEST_BETAS = 2.8
_COMPARED_BETAS = 60
"""What does not look like a head: too little of the scan on the fit, too far from it, or the fit itself like nobody
(root mean square of the first coefficients). People of FLAME and ICT-FaceKit have shares of 0.97, 0.3 mm and up to 1.7;
headsq 0.96, 0.6 mm and 2.2; a box 0.71, 1.8 mm and 5.7; a ball 0.98, 0.6 mm and 3.8; a skull 0.77, 0.7 mm and 3.2.
The least share is low because a head may be a small part of its scan."""


@dataclasses.dataclass(frozen=True)
class FlameFit:
    """A head model fitted to a scan."""

    mesh: Mesh
    """The head in the scan's own frame and unit, with the model's vertices and triangles in their order."""
    record: dict[str, Any]
    """All that is known of it, JSON-able: parameters, transform, distances, landmarks, warnings, credit."""
    upright_mesh: Mesh
    """The head in the model's own axes, mm: without global turn, move and scale."""
    upright_scan: Mesh
    """The cleaned scan in the same frame."""
    scan_distance_mm: Float[np.ndarray, " vertices"]
    """Distance of the cleaned scan's vertices from the head."""
    uv: Float[np.ndarray, "coordinates 2"] | None
    uv_faces: Int[np.ndarray, "faces 3"] | None

    def write(self, path: Path, *, extra_record: dict[str, Any] | None = None, picture: bool = True) -> None:
        """Write the mesh and, beside it, its record (.json) and picture (.png).

        Args:
            path: The mesh; its extension chooses the format.
            extra_record: Goes into the record too.
            picture: Whether to draw.

        Raises:
            InputError: Unknown extension, or the place cannot be written.
        """
        check_extension(path, WRITABLE)
        credit = self.record["credit"]
        # The picture comes first: it takes longest, and an interrupted run then leaves no mesh without a record.
        if picture:
            from s2f.fit_picture import fit_picture

            fit_picture(
                path.with_suffix(".png"),
                scan=self.upright_scan,
                head=self.upright_mesh,
                distance_mm=self.scan_distance_mm,
                caption=f"s2f, {self.record['model']['name']} fitted to a scan",
                credit=credit,
            )
        with whole_file(path.with_suffix(".json")) as unfinished:
            text = json.dumps(self.record | (extra_record or {}), indent=1, allow_nan=False, ensure_ascii=False)
            unfinished.write_text(text + "\n", encoding="utf-8")
        write_mesh(path, self.mesh, uv=self.uv, uv_faces=self.uv_faces, credit=credit)


def fit_flame(
    mesh: Mesh,
    head_model: HeadModel,
    *,
    unit: str | None = None,
    landmarks: Float[np.ndarray, "landmarks 3"] | None = None,
    embeddings: LandmarkEmbeddings | None = None,
    scaled: bool = False,
    neutral: bool = False,
    force: bool = False,
    source: str = "scan",
) -> FlameFit:
    """Fit a head model to a scan of a head, of a part of one, or of a face, in any pose.

    Without landmarks the head is laid on the scan by global registration; then its place, identity, and what else the
    model has (expression, jaw, neck, eyes) are fitted to the scan's points, with the model's priors.

    Args:
        mesh: The scan in mm, cm or m; other things in it do no harm as long as they are less than the head.
        head_model: FLAME, or any model in its axes; of any unit.
        unit: `mm`, `cm` or `m`; guessed from the size if not given.
        landmarks: 51, 68 (iBUG) or 105 (MediaPipe's) points in the scan's frame and unit; not-a-number where missing.
        embeddings: Where they lie on the model, if the model itself does not say.
        scaled: Find the size too, since the scan's is not to be trusted: with landmarks any, without within a fifth.
        neutral: Leave out expression and the turns of jaw, neck and eyes.
        force: Return the fit even if the scan does not look like a head.
        source: What to call the scan in messages.

    Raises:
        InputError: No unit fits, landmarks do not belong to the model or are not a face's, or the fit failed.
    """
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    scan = cleaned_scan(_checked(mesh, source), source=source)
    measure = guess_unit(scan, source=source, override=unit)
    model = head_model.in_millimetres()
    mean = Mesh(model.v_template.astype(np.float64), model.faces)
    scan_mm = Mesh(scan.vertices * measure.mm_per_unit, scan.faces)
    pairs = None
    if landmarks is not None:
        points = checked_points(np.asarray(landmarks), source=source) * measure.mm_per_unit
        pairs = ScanLandmarks.of(points, model, embeddings, source=source)
        starts = [pairs.place(mean.vertices, scaled=scaled, source=source)]
    else:
        starts = places(mean, scan_mm, source=source)
    seconds["placing the head"] = round(time.perf_counter() - began, 3)
    began = time.perf_counter()
    solved = solve_head(
        Flame.of(model),
        scan_mm,
        starts,
        pairs,
        scaled=scaled,
        neutral=neutral,
        named=bool(model.expression_names),
        source=source,
    )
    seconds["fitting"] = round(time.perf_counter() - began, 3)
    head_mm = Mesh(solved.vertices, model.faces)
    distances = scan_distances(scan_mm, head_mm)
    if not force:
        _require_head(solved, distances, source, landmarks is not None)
    to_upright = np.linalg.inv(solved.T_scan_model)
    return FlameFit(
        mesh=Mesh(head_mm.vertices / measure.mm_per_unit, model.faces),
        record=fit_record(model, solved, measure, distances, pairs, len(starts), seconds),
        upright_mesh=head_mm.transformed(to_upright),
        upright_scan=scan_mm.transformed(to_upright),
        scan_distance_mm=DistanceScene(head_mm).distance(scan_mm.vertices),
        uv=head_model.uv,
        uv_faces=head_model.uv_faces,
    )


def _checked(mesh: Mesh, source: str) -> Mesh:
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32)
    if vertices.ndim != 2 or vertices.shape[1:] != (3,) or faces.ndim != 2 or faces.shape[1:] != (3,) or not len(faces):
        raise InputError(f"{source}: vertices and faces must be arrays of shape (n, 3) with at least one face")
    if not np.isfinite(vertices).all():
        raise InputError(f"{source}: has vertices that are not finite numbers; repair or export the mesh again")
    return Mesh(vertices, faces)


def _require_head(solved: SolvedHead, distances: ScanDistances, source: str, had_landmarks: bool) -> None:
    remedy = "check them, the unit and the scan" if had_landmarks else "give --landmarks, check the unit"
    if not solved.finite:
        raise InputError(f"{source}: the fit failed (its numbers are not finite); {remedy}")
    share = len(distances.matched) / len(distances.every)
    median = float(np.median(distances.matched)) if len(distances.matched) else np.inf
    betas = np.asarray(solved.fit.parameters.betas, np.float64)[:_COMPARED_BETAS]
    size = float(np.sqrt(np.mean(betas**2))) if betas.size else 0.0
    if share < _LEAST_MATCHED or median > _LARGEST_MEDIAN_MM or size > _LARGEST_BETAS:
        raise InputError(
            f"{source}: does not look like a head or face ({100 * share:.0f} % of it lie on the fitted head, "
            f"{median:.1f} mm from it in the median; its coefficients are {size:.1f} times as large as people's); "
            f"{remedy}, or --force to keep the fit"
        )

"""`s2f fit-flame`: a head model fitted to a scan."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from flame_jax.errors import InputError

if TYPE_CHECKING:
    from flame_jax.model import HeadModel
    from s2f.flame_fitting import FlameFit

_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class FitFlame:
    """Fit a head model to a scan of a head, part of one, or a face, in the scan's own frame and unit.

    Beside the fitted head (fitted.obj) are written its record (fitted.json: all parameters, by FLAME's names) and a
    picture (fitted.png).
    """

    mesh: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MESH")]
    """The scan: OBJ, STL, PLY, OFF or GLB, in any pose; other things in it do little harm."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Where to write the fitted head; the extension chooses the format: .obj, .ply, .stl or .glb."""
    head_model: Annotated[Path | None, _OptionalFile] = None
    """The head model: a FLAME-format file or ICT-FaceKit; the shipped prior's head if not given."""
    landmarks: Annotated[Path | None, _OptionalFile] = None
    """51 or 68 points in iBUG's order or 105 in MediaPipe's, .npy or JSON, in the scan's frame and unit."""
    landmark_embedding: Annotated[Path | None, _OptionalFile] = None
    """Where these points lie on the head model, in any form that FLAME's were published; its own if not given."""
    unit: Annotated[Literal["mm", "cm", "m"] | None, tyro.conf.arg(metavar="{mm,cm,m}", help_behavior_hint="")] = None
    """Unit of the scan; guessed from its size if not given."""
    scale: bool = False
    """Find the scan's size too, because it is not to be trusted."""
    neutral: bool = False
    """Fit no expression, and no turn of jaw, neck and eyes."""
    force: bool = False
    """Keep the fit even if the scan does not look like a head."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    no_picture: bool = False
    """Do not draw the picture."""

    def run(self) -> int:
        """Fit, write, and say where the head lies and how well it fits."""
        if self.landmark_embedding is not None and self.landmarks is None:
            raise InputError("--landmark-embedding says where --landmarks lie on the head model; give both or neither")

        from data.mesh_files import READABLE, WRITABLE, read_mesh
        from data.volume_files import is_volume
        from s2f.outputs import check_extension, check_outputs, face_outputs

        check_extension(self.out, WRITABLE)
        inputs = (self.mesh, self.landmarks, self.head_model, self.landmark_embedding)
        check_outputs(face_outputs(self.out), inputs=inputs, overwrite=self.overwrite)
        if self.mesh.exists() and is_volume(self.mesh):
            raise InputError(f"{self.mesh}: is a volume, not a mesh; make one with s2f preprocess --tissue skin")
        if self.mesh.suffix.lower() not in READABLE and self.mesh.is_file():
            raise InputError(f"{self.mesh}: unknown kind of mesh '{self.mesh.suffix}'; known are {', '.join(READABLE)}")

        from flame_jax.landmark_file import read_landmark_embeddings
        from s2f.compilation_cache import use_compilation_cache
        from s2f.flame_fitting import fit_flame
        from s2f.point_files import read_points
        from s2f.provenance import SEED, sha256_of
        from s2f.steps import Steps
        from train.origin import versions

        landmarks = None if self.landmarks is None else read_points(self.landmarks)
        embeddings = None if self.landmark_embedding is None else read_landmark_embeddings(self.landmark_embedding)
        steps = Steps()
        with steps.step("reading the scan"):
            scan = read_mesh(self.mesh)
        with steps.step("loading the head model"):
            use_compilation_cache()
            model = self._model()
        with steps.step("fitting the head model"):
            fitted = fit_flame(
                scan,
                model,
                unit=self.unit,
                landmarks=landmarks,
                embeddings=embeddings,
                scaled=self.scale,
                neutral=self.neutral,
                force=self.force,
                source=str(self.mesh),
            )
        files = {"head_model": self.head_model, "landmarks": self.landmarks, "embedding": self.landmark_embedding}
        record = {
            "input": {"path": str(self.mesh), "sha256": sha256_of(self.mesh)},
            "files_sha256": {name: None if path is None else sha256_of(path) for name, path in files.items()},
            "configuration": self._options() | {"unit": fitted.record["unit"]},
            "versions": versions(),
            "seed": SEED,
            "timings_s": steps.seconds | fitted.record["timings_s"],
        }
        with steps.step("writing the head" + ("" if self.no_picture else " and drawing it")):
            fitted.write(self.out, extra_record=record, picture=not self.no_picture)
        self._summarise(fitted)
        return 0

    def _model(self) -> HeadModel:
        """The head model, with the credit that a fit of it needs."""
        from s2f.credits import credit_of_fit

        if self.head_model is None:
            from data.prior import read_prior
            from data.shipped import PRIOR

            model = read_prior(PRIOR).head
        else:
            from flame_jax.model_file import read_head_model

            model = read_head_model(self.head_model)
        return dataclasses.replace(model, credit=credit_of_fit(self.head_model, model.credit))

    def _options(self) -> dict[str, Any]:
        """The options as they were given, in plain data."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}

    def _summarise(self, fitted: FlameFit) -> None:
        from s2f.outputs import face_outputs

        mesh, record, picture = face_outputs(self.out)
        print(f"head      {mesh}, in the frame and unit ({fitted.record['unit']}) of {self.mesh}")
        print(f"record    {record}")
        if not self.no_picture:
            print(f"picture   {picture}")
        distance = fitted.record["distance_scan_to_head_mm"]
        if "mean" in distance:
            print(
                f"distance  {distance['mean']:.2f} mm on average, {distance['percentile_95']:.2f} mm at the 95th "
                f"percentile, over {100 * distance['matched_share']:.0f} % of the scan"
            )
        for warning in fitted.record["warnings"]:
            print(f"note      {warning}")

"""`s2f reconstruct`: a skull in, a face out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fields.field_config import Representation
from flame_jax.errors import InputError
from s2f.covariates import check_covariates

if TYPE_CHECKING:
    from s2f.reconstruction import Face

_File = tyro.conf.arg(metavar="FILE")
_MOST_SAMPLES = 999
_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class Reconstruct:
    """Make a face for a skull, in the skull's own frame and unit.

    Beside the face (face.obj) are written its record (face.json), a picture (face.png), and how unsure it is at each
    vertex (face.sd.json; in a .ply the vertices have it as a property too).
    """

    input: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT")]
    """The skull: a mesh (OBJ, STL, PLY, OFF, GLB), a folder of DICOM slices, or a volume (NIfTI, NRRD, MetaImage)."""
    out: Annotated[Path, _File]
    """Where to write the face; the extension chooses the format: .obj, .ply, .stl or .glb."""
    representation: Annotated[
        Representation | None,
        tyro.conf.arg(metavar="{implicit,parametric,hybrid}", help_behavior_hint="(default: hybrid)"),
    ] = None
    """implicit: the trained field's own surface, cut off at the neck. parametric: a head model's coefficients alone.
    hybrid: the head model moved onto the field's surface, with its topology and texture coordinates."""
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """How many further faces to draw from those that the skull may have had: face_001.obj and so on."""
    classic: bool = False
    """Without the trained network: a head model fitted to landmarks and tissue depths (parametric)."""
    fullness: Annotated[float | None, tyro.conf.arg(metavar="Z", help_behavior_hint="")] = None
    """How full the face is, in standard deviations from the mean; cheeks and jaw follow it most."""
    bmi: Annotated[float | None, tyro.conf.arg(metavar="B", help_behavior_hint="")] = None
    """Body-mass index in kg/m², instead of --fullness, which is then estimated from it."""
    landmarks: Annotated[Path | None, _OptionalFile] = None
    """JSON of landmarks that you placed, {"n": [x, y, z], …}, in the input's frame and unit; the others are found. They
    move the faces of --classic; the network reads the bone itself."""
    head_model: Annotated[Path | None, _OptionalFile] = None
    """A FLAME-format head model to use instead of the prior's own head; it is fitted to the field."""
    checkpoint: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """A trained field instead of the shipped one: the folder of a training run, or the model.npz in it."""
    prior: Annotated[Path | None, _OptionalFile] = None
    """An anatomy prior made by `s2f build-prior`, instead of the shipped one."""
    series: Annotated[str | None, tyro.conf.arg(metavar="UID", help_behavior_hint="")] = None
    """Which DICOM series to read, where a folder holds several."""
    unit: Annotated[Literal["mm", "cm", "m"] | None, tyro.conf.arg(metavar="{mm,cm,m}", help_behavior_hint="")] = None
    """Unit of a mesh; guessed from its size if not given."""
    threshold: Annotated[float | None, tyro.conf.arg(metavar="HU", help_behavior_hint="")] = None
    """Hounsfield units from which a volume's voxels are bone."""
    force: bool = False
    """Go on even if the input does not look like a skull."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    no_picture: bool = False
    """Do not draw the picture."""

    def run(self) -> int:
        """Reconstruct, write, and say where the face lies."""
        self._check_options()

        from data.mesh_files import WRITABLE
        from s2f.outputs import check_extension, check_outputs, face_outputs, sample_outputs, spread_output

        check_extension(self.out, WRITABLE)
        inputs = (self.input, self.landmarks, self.head_model, self.prior, self.checkpoint)
        outputs = [*face_outputs(self.out), spread_output(self.out), *sample_outputs(self.out, self.samples)]
        check_outputs(outputs, inputs=inputs, overwrite=self.overwrite)

        from data.shipped import PRIOR
        from s2f.landmark_files import read_landmarks
        from s2f.provenance import SEED, sha256_of
        from s2f.steps import Steps
        from s2f.surface_input import read_surface
        from train.origin import versions

        landmarks = None if self.landmarks is None else read_landmarks(self.landmarks)
        steps = Steps()
        surface = read_surface(self.input, threshold=self.threshold, series=self.series, unit=self.unit, steps=steps)
        with steps.step("loading the anatomy prior" + ("" if self.classic else " and the field")):
            import s2f
            from s2f.compilation_cache import use_compilation_cache

            use_compilation_cache()
            reconstructor = s2f.load(
                prior=self.prior, head_model=self.head_model, checkpoint=self.checkpoint, classic=self.classic
            )
        fullness = self._fullness()
        with steps.step("reconstructing the face"):
            face = reconstructor.reconstruct(
                surface.mesh.vertices,
                surface.mesh.faces,
                unit=surface.unit,
                fullness=fullness,
                landmarks=landmarks,
                representation=self.representation,
                samples=self.samples,
                force=self.force,
                source=str(self.input),
            )
        record = {
            "input": {"path": str(self.input), "sha256": sha256_of(self.input)},
            "models": {
                "prior_sha256": sha256_of(self.prior or PRIOR),
                "head_model_sha256": None if self.head_model is None else sha256_of(self.head_model),
            },
            "configuration": self._options()
            | {
                "fullness": fullness,
                "unit": face.record["unit"],
                "threshold": surface.threshold_hu,
                "representation": face.record["representation"],
            },
            "versions": versions(),
            "seed": SEED,
            "timings_s": steps.seconds | face.record.get("timings_s", {}),
        }
        with steps.step("writing the face" + ("" if self.no_picture else " and drawing it")):
            face.write(self.out, extra_record=record, picture=not self.no_picture)
        self._summarise(face)
        return 0

    def _check_options(self) -> None:
        """Raise InputError for what can be seen without reading anything."""
        if self.classic:
            for given, option in (
                (self.representation not in (None, "parametric"), f"--representation {self.representation}"),
                (self.samples != 0, "--samples"),
                (self.checkpoint is not None, "--checkpoint"),
            ):
                if given:
                    raise InputError(f"{option} needs the trained field, which --classic does without; leave one out")
        if not 0 <= self.samples <= _MOST_SAMPLES:
            raise InputError(f"--samples {self.samples} is not from 0 to {_MOST_SAMPLES}; give how many faces to draw")
        check_covariates(fullness=self.fullness, bmi=self.bmi)

    def _fullness(self) -> float | None:
        if self.bmi is None:
            return self.fullness
        from data.tissue_depth import fullness_of_bmi

        return fullness_of_bmi(self.bmi)

    def _options(self) -> dict[str, Any]:
        """The options as they were given, in plain data."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}

    def _summarise(self, face: Face) -> None:
        from s2f.outputs import face_outputs, sample_outputs

        mesh, record, picture = face_outputs(self.out)
        print(f"face     {mesh}, in the frame and unit ({face.record['unit']}) of {self.input}")
        print(f"record   {record}")
        if not self.no_picture:
            print(f"picture  {picture}")
        if samples := sample_outputs(self.out, self.samples):
            print(f"samples  {samples[0]} to {samples[-1].name}, as plausible as the face itself")
        misfit = face.record.get("depth_misfit_mean_mm")
        if misfit is not None:
            print(f"depths   {misfit:.1f} mm from their targets on average")
        spread = face.record.get("uncertainty", {}).get("regions", {}).get("face")
        if spread is not None:
            print(f"unsure   ±{spread['half_90_mm']:.1f} mm on average over the face, at 90 % probability")
        for warning in face.record["warnings"]:
            print(f"note     {warning}")

"""`s2f build-prior`: the anatomy prior of another head model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from flame_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from data.prior import AnatomyPrior
    from fields.mesh import Mesh

_File = tyro.conf.arg(metavar="FILE")
_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BuildPrior:
    """Make an anatomy prior from a head model: its closed head, the skull that belongs to it, and the landmarks."""

    out: Annotated[Path, _File]
    """Where to write the prior (.npz)."""
    head_model: Annotated[Path, _File]
    """A FLAME-format head model (FLAME's own .pkl of any year, or an .npz), or ICT-FaceKit (its folder, or an .npz)."""
    skull_template: Annotated[Path | None, _OptionalFile] = None
    """A complete skull, jaw closed (mesh, any unit); the shipped prior's skull if not given."""
    skull_landmarks: Annotated[Path | None, _OptionalFile] = None
    """JSON of all 40 landmarks on that skull, {"n": [x, y, z], …}; found by registration if not given."""
    tissue_depth: Annotated[Path | None, _OptionalFile] = None
    """CSV with columns hard, mean_mm, sd_mm; the shipped prior's table if not given."""
    credit: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = None
    """Sources, licences and changes, to travel with the prior and its faces; put together if not given."""
    modes: int = 100
    """Identity modes at most: fewer make a smaller file."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Read the three sources, build, write, and say how large the prior is."""
        if self.skull_landmarks is not None and self.skull_template is None:
            raise InputError(f"{self.skull_landmarks}: landmarks of which skull? give --skull-template too")
        if self.modes < 1:
            raise InputError(f"--modes {self.modes}: a head needs at least one identity mode")

        from s2f.outputs import check_extension, check_outputs

        check_extension(self.out, (".npz",))
        inputs = (self.head_model, self.skull_template, self.skull_landmarks, self.tissue_depth)
        check_outputs([self.out], inputs=inputs, overwrite=self.overwrite)

        from data.build_prior import PriorSize, build_prior
        from data.prior import write_prior
        from data.tissue_depth import read_tissue_depths
        from flame_jax.model_file import read_head_model
        from s2f.steps import Steps

        steps = Steps()
        with steps.step("reading"):
            model = read_head_model(self.head_model)
            shipped = self._shipped()
            template, landmarks = self._skull(shipped)
            if self.tissue_depth is not None:
                tissue = read_tissue_depths(self.tissue_depth)
            else:
                assert shipped is not None
                tissue = shipped.tissue
        with steps.step("building the prior") as say:
            prior = build_prior(
                model,
                template,
                landmarks,
                tissue,
                credit=self.credit or self._credit(model.credit, shipped),
                size=PriorSize(modes=self.modes),
                progress=say,
            )
        with steps.step("writing"):
            write_prior(self.out, prior)
        print(
            f"{self.out}: {self.out.stat().st_size / 1e6:.1f} MB; head of {len(prior.head.v_template):,} vertices and "
            f"{prior.head.shapedirs.shape[2]} identity modes, skull of {len(prior.skull.vertices):,} vertices"
        )
        print(prior.credit)
        return 0

    def _shipped(self) -> AnatomyPrior | None:
        """The shipped prior, if anything is to be taken from it."""
        if self.skull_template is not None and self.tissue_depth is not None:
            return None
        from data.prior import read_prior
        from data.shipped import PRIOR

        return read_prior(PRIOR)

    def _skull(self, shipped: AnatomyPrior | None) -> tuple[Mesh, dict[str, np.ndarray] | None]:
        if self.skull_template is None:
            assert shipped is not None
            return shipped.skull, shipped.landmark_points()

        import numpy as np

        from data.landmarks import ALL_KEYS
        from data.mesh_files import read_mesh
        from s2f.landmark_files import read_landmarks

        template = read_mesh(self.skull_template)
        if self.skull_landmarks is None:
            return self._with_landmarks(template)
        given = read_landmarks(self.skull_landmarks)
        missing = [key for key in ALL_KEYS if key not in given]
        if missing:
            raise InputError(
                f"{self.skull_landmarks}: has no {', '.join(missing)}; give all {len(ALL_KEYS)}, or no file at all"
            )
        return template, {key: np.array(point) for key, point in given.items()}

    def _with_landmarks(self, template: Mesh) -> tuple[Mesh, dict[str, np.ndarray] | None]:
        """Landmarks of a template without any: by rule on the skull that the rules were written for (None stands for
        that), by registration to the shipped prior's skull on every other, which is then turned into the head frame.
        """
        from s2f.credits import KNOWN_SOURCES
        from s2f.provenance import sha256_of

        assert self.skull_template is not None
        if sha256_of(self.skull_template) in KNOWN_SOURCES:
            return template, None
        from data.align import align_skull
        from data.prior import read_prior
        from data.shipped import PRIOR
        from fields.mesh import Mesh

        shipped = read_prior(PRIOR)
        # Templates have no unit: take the skull for as large as the shipped one.
        size = shipped.skull.diagonal() / template.diagonal()
        sized = Mesh(template.vertices * size, template.faces)
        alignment = align_skull(sized, shipped, source=str(self.skull_template))
        missing = [key for key in alignment.bent_landmarks if key not in alignment.landmarks]
        if missing:
            raise InputError(
                f"{self.skull_template}: no bone at {', '.join(missing)}; give --skull-landmarks, or a whole skull"
            )
        return sized.transformed(alignment.T_head_skull), alignment.landmarks

    def _credit(self, model_credit: str, shipped: AnatomyPrior | None) -> str:
        from s2f.credits import credit_of_sources

        return credit_of_sources(
            self.head_model,
            model_credit,
            self.skull_template,
            self.tissue_depth,
            shipped_credit="" if shipped is None else shipped.credit,
        )

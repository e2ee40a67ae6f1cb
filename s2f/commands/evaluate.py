"""`s2f evaluate`: a trained field, or anybody's predicted faces, against true ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fields.field_config import Representation
from flame_jax.errors import InputError

if TYPE_CHECKING:
    from data.prior import AnatomyPrior
    from s2f.evaluate import Named, Scored

_MOST_SAMPLES = 999
_OptionalFolder = tyro.conf.arg(metavar="DIR", help_behavior_hint="")
_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")
_OptionalPath = tyro.conf.arg(metavar="PATH", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Score faces against true ones, as they lie in the skull's frame, without any alignment.

    On a folder of pairs, or on a CT, whose own skin is the truth. What is scored is a trained field, the shipped one if
    nothing is said, a folder of predicted meshes from any method (docs/submission.md), or a baseline.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where to write: table.md, subjects.csv, evaluation.json, and figures."""
    pairs: Annotated[Path | None, _OptionalFolder] = None
    """Folder with one folder per person, each with a skull and a face in one frame and unit; a mask.json beside them
    says what of the face is not scored."""
    volume: Annotated[Path | None, tyro.conf.arg(metavar="CT", help_behavior_hint="")] = None
    """A CT instead: a folder of DICOM slices, or a volume (NIfTI, NRRD, MetaImage)."""
    checkpoint: Annotated[Path | None, _OptionalPath] = None
    """The field: a training run's folder or a model's file; the shipped one if not given."""
    predictions: Annotated[Path | None, _OptionalFolder] = None
    """Folder of predicted meshes to score instead of a field."""
    baseline: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """A baseline to score instead of a field: mean-head, classic, ridge, pls or nearest."""
    kept: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/bench")
    """Folder for the made people that baselines learn from, which take long to draw, as s2f bench has it."""
    mask: Annotated[Path | None, _OptionalFile] = None
    """JSON of boxes, spheres and half-spaces of the CT that are not scored. Without, NAME.mask.json beside the CT, or
    mask.json in its folder of slices, is taken."""
    series: Annotated[str | None, tyro.conf.arg(metavar="UID", help_behavior_hint="")] = None
    """Which DICOM series to read, where a folder holds several."""
    representation: Annotated[
        Representation | None,
        tyro.conf.arg(metavar="{implicit,parametric,hybrid}", help_behavior_hint="(default: hybrid)"),
    ] = None
    """Which of the field's faces."""
    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """How many further faces to draw for each skull, to be scored as a forecast; 2 or more."""
    told: bool = False
    """Tell the field the fullness, where a pair's record has it."""
    prior: Annotated[Path | None, _OptionalFile] = None
    """An anatomy prior made by `s2f build-prior`, instead of the shipped one."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Score the first N pairs only."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    no_figures: bool = False
    """Do not draw the figures."""

    def run(self) -> int:
        """Score, print the tables, and write them."""
        self._check_options()

        from s2f.evaluate import RECORD, ROWS, TABLE
        from s2f.evaluation_figures import FIGURES, write_figures
        from s2f.outputs import check_outputs

        names = (TABLE, ROWS, RECORD, *(() if self.no_figures else FIGURES))
        check_outputs([self.out / name for name in names], overwrite=self.overwrite)

        from data.prior import read_prior
        from data.shipped import PRIOR
        from eval.evaluation_report import evaluation_markdown
        from s2f.compilation_cache import use_compilation_cache
        from s2f.evaluate import run_evaluation
        from s2f.steps import Steps

        use_compilation_cache()
        steps = Steps()
        with steps.step("loading") as say:
            prior = read_prior(self.prior or PRIOR)
            subjects, data = self._subjects(prior)
            scored = self._scored(prior, [name for name, _ in subjects], say)
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}
        with steps.step("scoring") as say:
            evaluation = run_evaluation(scored, subjects, self.out, about={"settings": settings} | data, say=say)
        if not self.no_figures:
            with steps.step("drawing") as say:
                write_figures(evaluation, prior, self.out, say)
        print(evaluation_markdown(evaluation))
        print(f"table    {self.out / TABLE}\nrows     {self.out / ROWS}\nrecord   {self.out / RECORD}")
        if not self.no_figures:
            print(f"figures  {self.out}/*.png")
        return 0

    def _check_options(self) -> None:
        """Raise InputError for what can be seen without reading anything."""
        if (self.pairs is None) == (self.volume is None):
            raise InputError("give either --pairs, a folder of skulls and their faces, or --volume, a CT")
        if self.predictions is not None and self.baseline is not None:
            raise InputError("--predictions and --baseline are both to be scored; give one of them")
        is_field = self.predictions is None and self.baseline is None
        for given, option, need, there in (
            (self.mask is not None, "--mask", "--volume; pairs have a mask.json beside them", self.volume is not None),
            (self.series is not None, "--series", "--volume", self.volume is not None),
            (self.limit is not None, "--limit", "--pairs", self.pairs is not None),
            (self.checkpoint is not None, "--checkpoint", "a field", is_field),
            (self.representation is not None, "--representation", "a field", is_field),
            (self.samples != 0, "--samples", "a field; predictions bring their own", is_field),
            (self.told, "--told", "a method of ours; submission.json says it of predictions", self.predictions is None),
            (self.prior is not None, "--prior", "a field or predictions", self.baseline is None),
        ):
            if given and not there:
                raise InputError(f"{option} goes with {need}; leave it out")
        if self.samples != 0 and not 2 <= self.samples <= _MOST_SAMPLES:
            raise InputError(f"--samples {self.samples} is neither 0 nor from 2 to {_MOST_SAMPLES}; one has no spread")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit {self.limit}: give at least 1")

    def _subjects(self, prior: AnatomyPrior) -> tuple[list[Named], dict[str, Any]]:
        """Who is scored, and what the record tells of the data."""
        import functools

        data: dict[str, Any]
        if self.volume is not None:
            from eval.scanned_subject import mask_beside, read_scan, scan_name
            from s2f.provenance import sha256_of

            if not self.volume.exists():
                raise InputError(f"{self.volume}: no such file or folder; check the name")
            mask = self.mask or mask_beside(self.volume)
            read = functools.partial(read_scan, self.volume, prior, mask=mask, series=self.series)
            data = {"volume_sha256": sha256_of(self.volume), "mask": None if mask is None else str(mask)}
            return [(scan_name(self.volume), read)], data
        from data.pairs.folders import find_pairs
        from eval.subject import read_pair

        assert self.pairs is not None
        found = find_pairs(self.pairs)
        pairs = found[: self.limit]
        data = {"pairs_found": len(found), "pairs_taken": len(pairs)}
        return [(pair.folder.name, functools.partial(read_pair, pair, prior)) for pair in pairs], data

    def _scored(self, prior: AnatomyPrior, names: list[str], say: Callable[[str], None]) -> Scored:
        from s2f.evaluate import baseline_to_score, field_to_score, submission_to_score

        if self.baseline is not None:
            return baseline_to_score(self.baseline, prior, kept=self.kept, told=self.told, say=say)
        if self.predictions is not None:
            return submission_to_score(self.predictions, names)
        return field_to_score(
            self.checkpoint,
            prior,
            representation=self.representation or "hybrid",
            samples=self.samples,
            told=self.told,
        )

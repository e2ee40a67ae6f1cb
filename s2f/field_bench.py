"""Runs `eval.field.study` on a trained field: test set, linear reference, tables, sheet."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

if TYPE_CHECKING:
    from s2f.field_file import TrainedField

REPRESENTATIONS = ("hybrid", "implicit", "parametric")
ALWAYS = ("mean-head", "classic")
"""Baselines that are measured whether or not they are named: goals are set against them."""
SHOWN = 8
"""Cases on the sheet: the first undamaged ones, whatever came of them."""


@dataclasses.dataclass(frozen=True)
class FieldBench:
    """What is measured."""

    field: TrainedField
    representations: Sequence[str]
    """The first is judged."""
    people: int
    trained_on: int
    """People that the linear reference and the baselines learn from: of the field's own head model and generator."""
    baselines: Sequence[str]
    """Names of `eval.baselines.named`."""
    kept: Path
    """Folder for test cases, training people, and the scores of the route without a network."""


def check_representations(names: Sequence[str]) -> None:
    """Raise `InputError` for a name that is none, or none at all."""
    unknown = [name for name in names if name not in REPRESENTATIONS]
    if unknown or not names:
        wrong = f"{unknown[0]} is no representation" if unknown else "there is nothing to measure"
        raise InputError(f"--representations: {wrong}; give one or more of {', '.join(REPRESENTATIONS)}")


def run_field_bench(bench: FieldBench, out: Path, say: Callable[[str], None]) -> str:
    """Measure, and write table.md, study.json and sheet.png into a folder. Returns the tables.

    Raises `InputError` where a file cannot be read or written.
    """
    from data.prior import read_prior
    from data.shipped import PRIOR_ICT
    from eval.baselines.named import make_baseline
    from eval.field.report import as_dict, markdown
    from eval.field.study import study_field
    from eval.held_out.cases import DAMAGED, UNDAMAGED
    from eval.regression.linear_reference import LinearReference
    from s2f.baseline_learning import baseline_learning
    from s2f.field_face import FieldFaces
    from s2f.field_method import FieldMethod
    from s2f.field_sheet import field_sheet
    from s2f.held_out_cases import shipped_cases

    cases = [shipped_cases(severities, bench.people, bench.kept, say) for severities in (UNDAMAGED, DAMAGED)]
    test_prior = read_prior(PRIOR_ICT)
    learning = baseline_learning(
        bench.kept, say, people=bench.trained_on, residual_modes=bench.field.model.config.residual_modes
    )
    say("training the linear reference")
    reference = LinearReference.train(learning.people, learning.prior, test_prior)
    say("training the baselines")
    baselines = {name: make_baseline(name, learning) for name in bench.baselines if name not in ALWAYS}
    faces = FieldFaces(bench.field.model, bench.field.skull_points)
    methods = {f"{name} field": FieldMethod(faces, name) for name in bench.representations}  # type: ignore[arg-type]
    study = study_field(
        methods, cases[0], cases[1], learning.prior, reference, baselines, kept=bench.kept / "scores", say=say
    )
    first = next(iter(methods.values()))
    shown = [case for case in cases[0] if case.placed is not None][:SHOWN]
    say("drawing the sheet")
    drawn = [(case, first(case.placed, None)) for case in shown if case.placed is not None]
    text = markdown(study)
    field_sheet(
        out / "sheet.png",
        drawn,
        caption=f"The first {len(drawn)} undamaged skulls of the test set and their {bench.representations[0]} faces.",
        credit=f"{bench.field.credit}\n{test_prior.credit}",
    )
    with whole_file(out / "study.json") as unfinished:
        about = {"field": str(bench.field.path), "sha256": bench.field.sha256}
        unfinished.write_text(json.dumps(about | as_dict(study), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with whole_file(out / "table.md") as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")
    return text

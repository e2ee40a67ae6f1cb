"""Runs `eval.sensitivity.study` on a trained field, with regressions that tell what the generator leaves open."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flame_jax.whole_file import whole_file

if TYPE_CHECKING:
    from eval.field.scores import Reconstruct
    from s2f.field_face import Representation
    from s2f.field_file import TrainedField

OUTPUTS = ("table.md", "sensitivity.json", "sensitivity.png")
INVERSION = "noise-free inversion error of the generator"
"""Ridge regression trained and tested on people of one generator: what no method can tell, since the skull does not."""


@dataclasses.dataclass(frozen=True)
class SensitivityBench:
    """What is measured."""

    field: TrainedField
    representation: Representation
    baselines: Sequence[str]
    """Names of `eval.baselines.named`, measured too."""
    people: int
    """At each level."""
    trained_on: int
    """People of each generator that regressions learn from."""
    kept: Path
    """Folder for test cases and training people."""


def run_sensitivity_bench(bench: SensitivityBench, out: Path, say: Callable[[str], None]) -> str:
    """Measure, and write table.md, sensitivity.json and sensitivity.png into a folder. Returns the tables.

    Raises `InputError` where a file cannot be read or written.
    """
    from data.cohort.variants import TEST
    from data.cores import cores
    from data.jaw_opening import read_jaw_opening
    from data.prior import read_prior
    from data.shipped import JAW_OPEN_ICT, PRIOR_ICT
    from eval.baselines.named import make_baseline
    from eval.bench.align import FacePoints
    from eval.field.study import LINEAR, score_linear
    from eval.held_out.cases import UNDAMAGED
    from eval.plots.sensitivity_lines import sensitivity_lines
    from eval.regression.linear_reference import LinearReference
    from eval.regression.training_people import training_people
    from eval.sensitivity.levels import LEVELS
    from eval.sensitivity.report import sensitivity_dict, sensitivity_markdown, sensitivity_panels
    from eval.sensitivity.study import Sensitivity, mean_errors, measure_levels
    from s2f.baseline_learning import baseline_learning
    from s2f.field_method import FieldMethod
    from s2f.held_out_cases import sets_folder, shipped_cases, shipped_set

    test_prior, modes = read_prior(PRIOR_ICT), bench.field.model.config.residual_modes
    learning = baseline_learning(bench.kept, say, people=bench.trained_on, residual_modes=modes)
    say("training the linear reference")
    reference = LinearReference.train(learning.people, learning.prior, test_prior)
    test_jaw = read_jaw_opening(JAW_OPEN_ICT, test_prior)
    own_people = training_people(test_prior, TEST, test_jaw, bench.trained_on, bench.kept / "training_people", say)
    say("inverting the generator")
    own = LinearReference.train(own_people, test_prior, test_prior)
    methods: dict[str, Reconstruct] = {
        f"{bench.representation} field": FieldMethod.of(bench.field, bench.representation),
        **{name: make_baseline(name, learning) for name in bench.baselines},
    }
    undamaged, numbers = shipped_set(UNDAMAGED), range(bench.people)
    measured = measure_levels(
        methods,
        LEVELS,
        undamaged,
        numbers,
        sets_folder(bench.kept),
        lambda case: reference.T_head_skull(case.whole_skull),
        FacePoints.of(learning.prior),
        workers=cores(),
        say=say,
    )
    cases = shipped_cases(UNDAMAGED, bench.people, bench.kept, say)
    floors = {
        f"{name}, from {bench.trained_on:,} people of the {whose} generator": mean_errors(
            score_linear(regression, cases, say)[LINEAR], numbers
        )
        for name, whose, regression in ((LINEAR, "training", reference), (INVERSION, "test", own))
    }
    study = Sensitivity(numbers, measured, floors)
    text = sensitivity_markdown(study)
    sensitivity_lines(out / "sensitivity.png", sensitivity_panels(study))
    with whole_file(out / "sensitivity.json") as unfinished:
        about = {"field": str(bench.field.path), "sha256": bench.field.sha256}
        plain_data = json.dumps(about | sensitivity_dict(study), indent=1, allow_nan=False)
        unfinished.write_text(plain_data + "\n", encoding="utf-8")
    with whole_file(out / "table.md") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text

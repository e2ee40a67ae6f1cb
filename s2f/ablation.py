"""Runs a suite of `configs.ablations`: trains what is missing, scores it on the held-out test set, writes one table."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flame_jax.whole_file import whole_file
from train.ablation import Suite, Variant

if TYPE_CHECKING:
    from eval.ablation.study import AblationStudy, Row
    from eval.held_out.case import HeldOutCase

TABLE, STUDY = "table.md", "study.json"
FIGURES = {"undamaged.png": "undamaged", "damaged.png": "damaged"}
"""Names of files, and which test set each shows."""


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What is run."""

    name: str
    suite: Suite
    seeds: int
    people: int
    """Of the test set, each undamaged and damaged."""
    out: Path
    """Folder of all suites: they share runs."""
    kept: Path
    """Folder for test cases, and for scores of what is not trained."""

    @property
    def results(self) -> Path:
        """Folder of this suite's table and figure."""
        return self.out / self.name


def run_ablation(
    ablation: Ablation, say: Callable[[str], None], stop: Callable[[], bool] = lambda: False
) -> str | None:
    """Train, score, and write a table, its numbers and figures. Returns the table; None when told to stop.

    What is trained and scored lies in a folder named by its configuration, so the same command goes on where it was
    stopped, and another suite with the same variant takes it from there.

    Raises `InputError` where a file cannot be read or written.
    """
    from eval.ablation.study import AblationStudy
    from s2f.ablation_training import Tasks, trained

    cases = _cases(ablation, say)
    tasks = Tasks(say)
    rows: dict[str, Row] = {}
    for seed in range(ablation.seeds):
        for variant in ablation.suite.variants:
            repeat = variant.with_seed(seed)
            folder = trained(repeat, ablation.out / "runs", tasks, stop)
            if folder is None:
                return None
            for row in _scored(repeat, folder, cases, say):
                rows[row.name] = rows[row.name].repeated(row) if row.name in rows else row
    study = AblationStudy(
        suite=ablation.name,
        question=ablation.suite.question,
        rows=list(rows.values()),
        references=list(_references(cases, ablation.kept, say)),
        numbers=range(ablation.people),
        seeds=range(ablation.seeds),
    )
    return _write(study, ablation.results)


def _cases(ablation: Ablation, say: Callable[[str], None]) -> dict[str, Sequence[HeldOutCase]]:
    """Of each test set, by name."""
    from eval.ablation import study
    from eval.held_out.cases import DAMAGED, UNDAMAGED
    from s2f.held_out_cases import shipped_cases

    return {
        name: shipped_cases(severities, ablation.people, ablation.kept, say)
        for name, severities in ((study.UNDAMAGED, UNDAMAGED), (study.DAMAGED, DAMAGED))
    }


def _scored(
    variant: Variant, folder: Path, cases: Mapping[str, Sequence[HeldOutCase]], say: Callable[[str], None]
) -> Iterator[Row]:
    """A row per representation, of one seed."""
    from eval.ablation.study import Row
    from eval.field.scores import cases_digest, kept_scores, score_cases
    from s2f.ablation_training import minutes_of
    from s2f.field_face import FieldFaces
    from s2f.field_file import read_field
    from s2f.field_method import FieldMethod
    from train.parameter_names import count

    field = read_field(folder)
    faces = FieldFaces(field.model, field.skull_points)
    for representation in variant.representations:
        method = FieldMethod(faces, representation)
        scores = {}
        for which, those in cases.items():
            what = f"{variant.name}, {representation}, {which}"
            make = functools.partial(score_cases, method, those, say=functools.partial(_said, say, what))
            scores[which] = [kept_scores(folder / f"{representation}-{cases_digest(those)[:16]}.json", make)]
        yield Row(variant.name, representation, scores, count(field.model.params), [minutes_of(folder)])


def _references(cases: Mapping[str, Sequence[HeldOutCase]], kept: Path, say: Callable[[str], None]) -> Iterator[Row]:
    """Rows of what is not trained."""
    from data.prior import read_prior
    from data.shipped import PRIOR
    from eval.ablation.study import Row
    from eval.baselines.classic import Parametric
    from eval.baselines.mean_head import MeanHead
    from eval.field.scores import Reconstruct, cases_digest, kept_scores, score_cases

    prior = read_prior(PRIOR)
    methods: dict[str, Reconstruct] = {
        "mean head of the prior": MeanHead(prior.head_mesh()),
        "classic fit": Parametric.of(prior),
    }
    for name, method in methods.items():
        scores = {}
        for which, those in cases.items():
            make = functools.partial(score_cases, method, those, say=functools.partial(_said, say, f"{name}, {which}"))
            path = kept / "scores" / f"{name.replace(' ', '-')}-{cases_digest(those)[:16]}.json"
            scores[which] = [kept_scores(path, make)]
        yield Row(name, "", scores)


def _write(study: AblationStudy, folder: Path) -> str:
    from eval.ablation.figure import ablation_figure
    from eval.ablation.report import ablation_dict, ablation_markdown

    text = ablation_markdown(study)
    with whole_file(folder / STUDY) as unfinished:
        unfinished.write_text(json.dumps(ablation_dict(study), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for name, which in FIGURES.items():
        ablation_figure(folder / name, study, which)
    with whole_file(folder / TABLE) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text


def _said(say: Callable[[str], None], what: str, text: str) -> None:
    say(f"{what}: {text}")

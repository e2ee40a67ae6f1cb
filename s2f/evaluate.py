"""Runs `eval.evaluation` on a trained field, or on anybody's predictions, and writes what it finds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flame_jax.whole_file import whole_file

if TYPE_CHECKING:
    from data.prior import AnatomyPrior
    from eval.evaluation import Evaluation, Method
    from eval.subject import Subject
    from fields.field_config import Representation

TABLE, ROWS, RECORD = "table.md", "subjects.csv", "evaluation.json"
"""What is written."""
ALIGNED = (
    "the predicted faces were aligned to the true ones, so that these figures are without errors of place; they must "
    "not be set beside those of faces that lie where their skulls put them"
)
_NAMED = 5
"""Files that a warning names."""

Named = tuple[str, Callable[[], "Subject"]]
"""A subject's name, and what reads it."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """What is scored."""

    name: str
    method: Method
    told: bool
    """Whether it is told the fullness."""
    warnings: tuple[str, ...]
    about: Mapping[str, Any]
    """For the record."""


def field_to_score(
    checkpoint: Path | None, prior: AnatomyPrior, *, representation: Representation, samples: int, told: bool
) -> Scored:
    """A trained field; the shipped one if None. Raises `InputError` where it cannot be read or has another prior."""
    from data.shipped import FIELD
    from eval.aligned_method import AlignedMethod
    from s2f.field_file import read_field
    from s2f.field_method import FieldMethod

    field = read_field(checkpoint or FIELD)
    field.check_goes_with(prior)
    method = AlignedMethod(FieldMethod.of(field, representation, samples), prior, told)
    about = {"checkpoint": str(field.path), "checkpoint_sha256": field.sha256, "credit": field.credit}
    return Scored(f"{representation} field", method, told, (), about)


def baseline_to_score(
    name: str, prior: AnatomyPrior, *, kept: Path, told: bool, say: Callable[[str], None] = lambda text: None
) -> Scored:
    """A baseline of `eval.baselines`, trained. Raises `InputError` for a name that is none, or where what it learns
    from cannot be read or drawn."""
    from eval.aligned_method import AlignedMethod
    from eval.baselines.named import make_baseline
    from s2f.baseline_learning import PEOPLE, baseline_learning

    method = make_baseline(name, baseline_learning(kept, say))
    about = {"baseline": name, "people_to_learn_from": PEOPLE}
    return Scored(f"{name} baseline", AlignedMethod(method, prior, told), told, (), about)


def submission_to_score(folder: Path, cases: Collection[str]) -> Scored:
    """Somebody's predictions. Raises `InputError` where the folder is not as `docs/submission.md` says."""
    from eval.submission import read_submission
    from s2f.provenance import sha256_of

    submission = read_submission(folder, cases)
    warnings: tuple[str, ...] = (ALIGNED,) if submission.aligned_to_truth else ()
    if submission.strangers:
        named = ", ".join(submission.strangers[:_NAMED]) + ("…" if len(submission.strangers) > _NAMED else "")
        warnings += (f"the predictions have files that belong to no case: {named}",)
    about = {
        "predictions": str(folder),
        "predictions_sha256": sha256_of(folder),
        "description": submission.description,
        "aligned_to_truth": submission.aligned_to_truth,
    }
    return Scored(submission.method, submission, submission.fullness_told, warnings, about)


def run_evaluation(
    scored: Scored,
    subjects: Sequence[Named],
    out: Path,
    *,
    about: Mapping[str, Any],
    say: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Score, and write table.md, subjects.csv and evaluation.json into a folder.

    Args:
        scored: What is scored.
        subjects: On whom.
        out: The folder; made if need be.
        about: What the record tells besides: settings, data.
        say: Shows what is being done.

    Raises:
        InputError: No subject could be scored, or a file cannot be written.
    """
    from eval.evaluation import evaluate
    from eval.evaluation_report import evaluation_csv, evaluation_dict, evaluation_markdown
    from train.origin import versions

    evaluation = evaluate(scored.name, scored.method, subjects, told=scored.told, warnings=scored.warnings, say=say)
    record = evaluation_dict(evaluation) | {"about": {**scored.about, **about}, "versions": versions()}
    for name, text in (
        (ROWS, evaluation_csv(evaluation)),
        (RECORD, json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n"),
        (TABLE, evaluation_markdown(evaluation)),
    ):
        with whole_file(out / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    return evaluation

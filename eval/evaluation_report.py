"""What an evaluation says: Markdown to read, a row per subject and region for statistics, and plain data to keep."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from eval.bootstrap import mean_over_subjects
from eval.evaluation import Evaluation, SubjectResult
from eval.face_errors import FACE
from eval.face_uncertainty import LEVELS, gaussian_crps
from eval.field.report import Cell, Table, calibration_table
from eval.metrics import DistanceStatistics
from eval.regions import SUB_REGIONS

REGIONS = (FACE, *(rule.name for rule in SUB_REGIONS))
_METRICS: Mapping[str, str] = {
    "mean, mm": "mean_mm",
    "signed mean, mm": "signed_mean_mm",
    "sd, mm": "sd_mm",
    "95th percentile, mm": "p95_mm",
    "within 2 mm, %": "within_2_mm_percent",
    "within 2.5 mm, %": "within_2_5_mm_percent",
    "within 5 mm, %": "within_5_mm_percent",
    "normal consistency": "normal_consistency",
}
_BY_PART = ("mean, mm", "signed mean, mm", "95th percentile, mm", "within 2.5 mm, %", "normal consistency")
_FEW = 10
"""Subjects. Percentile intervals of 95 % hold the mean of a Gaussian in 74, 84, 89 and 94 % of 1,000 trials with 3, 5,
10 and 20 subjects."""
ALONE = "n = 1, a development case: a single head proves little, and there is no interval over subjects."


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """The face, its parts, depths over landmarks, and the uncertainty as far as the method tells it."""
    found = [_face(evaluation), _parts(evaluation), _depths(evaluation)]
    if evaluation.calibration is not None:
        title = f"Uncertainty, on {evaluation.calibration.subjects} subjects"
        found.append(calibration_table(title, evaluation.calibration))
    if any(result.energy_mm is not None for result in evaluation.results):
        found.append(_samples(evaluation))
    return found


def evaluation_markdown(evaluation: Evaluation) -> str:
    """All tables, and what they rest on."""
    count = len(evaluation.results)
    lines = [f"# {evaluation.method}: {count} of {evaluation.subjects} subjects scored"]
    lines += [f"> **Warning: {warning}**" for warning in evaluation.warnings]
    over = ALONE if count == 1 else f"In brackets 95 % bootstrap intervals over the {count} subjects."
    if 1 < count < _FEW:
        over += " Over so few they are too narrow."
    told = "told where it is known" if evaluation.told else "not told"
    lines.append(
        f"Distances over the face region of the true surface, as the surfaces lie in the skull's frame: no face is "
        f"aligned to another. {over} Signed: positive where the prediction lies outside the truth. Fullness: {told}."
    )
    if evaluation.unscored:
        listed = [f"- {name}: {reason}" for name, reason in evaluation.unscored.items()]
        lines.append("\n".join([f"**Not scored, and in no mean ({len(evaluation.unscored)}):**", "", *listed]))
    lines += [table.markdown() for table in evaluation_tables(evaluation)]
    notes = _notes(evaluation)
    if notes:
        listed = [f"- {note} ({', '.join(names)})" for note, names in notes.items()]
        lines.append("\n".join(["### Notes", "", *listed]))
    return "\n\n".join(lines) + "\n"


def evaluation_csv(evaluation: Evaluation) -> str:
    """A row per subject and region: distances true → predicted, of the face also back, and the uncertainty. A subject
    that could not be scored has one row, with the reason. Warnings, if any, are lines that begin with #."""
    text = io.StringIO()
    text.writelines(f"# Warning: {warning}\n" for warning in evaluation.warnings)
    names = [field.name for field in dataclasses.fields(DistanceStatistics)]
    covered = [f"covered_{100 * level:g}_percent" for level in LEVELS]
    columns = ["subject", "region", *names, *(f"back_{name}" for name in names)]
    columns += ["predicted_sd_mm", "crps_mm", *covered, "reason"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for result in evaluation.results:
        for region in REGIONS:
            whole = result.score.errors.whole
            back = dataclasses.asdict(whole.predicted_to_true) if region == FACE else {}
            cells = dataclasses.asdict(_statistics(result, region)) | {f"back_{k}": v for k, v in back.items()}
            cells |= _uncertainty(result, region)
            writer.writerow({"subject": result.name, "region": region} | {k: _cell(v) for k, v in cells.items()})
    for name, reason in evaluation.unscored.items():
        writer.writerow({"subject": name, "reason": reason})
    return text.getvalue()


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """All of it for a JSON file; what is not a number becomes None."""
    return {
        "format": "s2f evaluation 1",
        "warnings": list(evaluation.warnings),
        "method": evaluation.method,
        "fullness_told": evaluation.told,
        "subjects": {"given": evaluation.subjects, "scored": len(evaluation.results)},
        "unscored": dict(evaluation.unscored),
        "notes": _notes(evaluation),
        "tables": [table.as_dict() for table in evaluation_tables(evaluation)],
        "scores": {result.name: _plain(_scores(result)) for result in evaluation.results},
    }


def _scores(result: SubjectResult) -> dict[str, Any]:
    return {
        "true_to_predicted": {region: dataclasses.asdict(_statistics(result, region)) for region in REGIONS},
        "predicted_to_true": dataclasses.asdict(result.score.errors.whole.predicted_to_true),
        "uncertainty": {region: _uncertainty(result, region) for region in REGIONS} if result.score.normal else None,
        "depth_mm": dict(result.depth_mm),
        "depth_error_mm": dict(result.depth_error_mm),
        "energy_mm": result.energy_mm,
        "seconds": result.score.seconds,
        "masked_area_mm2": result.masked_area_mm2,
        "notes": list(result.notes),
    }


def _statistics(result: SubjectResult, region: str) -> DistanceStatistics:
    errors = result.score.errors
    return errors.whole.true_to_predicted if region == FACE else errors.parts[region]


def _uncertainty(result: SubjectResult, region: str) -> dict[str, float]:
    """Of one subject: predicted standard deviation (root mean square), its score, and what its intervals cover."""
    normal = result.score.normal
    if normal is None or not (mask := normal.regions()[region]).any():
        return {}
    error, sd = normal.error_mm[mask], normal.sd_mm[mask]
    reach = {level: scipy.stats.norm.ppf(0.5 + 0.5 * level) for level in LEVELS}
    return {
        "predicted_sd_mm": float(np.sqrt(np.mean(sd**2))),
        "crps_mm": float(gaussian_crps(error, sd).mean()),
        **{
            f"covered_{100 * level:g}_percent": 100.0 * float(np.mean(np.abs(error) <= times * sd))
            for level, times in reach.items()
        },
    }


def _face(evaluation: Evaluation) -> Table:
    rows: list[tuple[Cell, ...]] = []
    wholes = [result.score.errors.whole for result in evaluation.results]
    for name, field in _METRICS.items():
        ways = ([whole.true_to_predicted for whole in wholes], [whole.predicted_to_true for whole in wholes])
        rows.append((name, *(mean_over_subjects(np.array([getattr(each, field) for each in way])) for way in ways)))
    rows.append(
        ("seconds per face", mean_over_subjects(np.array([r.score.seconds for r in evaluation.results])), math.nan)
    )
    return Table("Face", ("", "true → predicted", "predicted → true"), tuple(rows))


def _parts(evaluation: Evaluation) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for region in REGIONS:
        statistics = [_statistics(result, region) for result in evaluation.results]
        values = (np.array([getattr(each, _METRICS[name]) for each in statistics]) for name in _BY_PART)
        rows.append((region, *map(mean_over_subjects, values)))
    return Table("Parts of the face, true → predicted", ("part", *_BY_PART), tuple(rows))


def _depths(evaluation: Evaluation) -> Table:
    """Over all landmarks first, as means over subjects of each subject's mean."""
    names = list(dict.fromkeys(name for result in evaluation.results for name in result.depth_mm))
    rows: list[tuple[Cell, ...]] = []
    for label, chosen in (("all", names), *((name, [name]) for name in names)):
        means = np.array([_over_landmarks(result, chosen) for result in evaluation.results])
        rows.append((label, int(np.isfinite(means).all(axis=1).sum()), *map(mean_over_subjects, means.T)))
    missed = sum(not math.isfinite(error) for result in evaluation.results for error in result.depth_error_mm.values())
    title = "Depth of the skin over landmarks of the skull, mm; positive errors are too deep"
    if missed:
        title += f"; {missed} lines that meet no predicted skin are left out"
    return Table(title, ("landmark", "subjects", "true depth", "signed error", "error"), tuple(rows))


def _over_landmarks(result: SubjectResult, names: Sequence[str]) -> tuple[float, float, float]:
    """Mean depth, signed error and error of one subject; NaN where no line meets both surfaces."""
    there = [name for name in names if math.isfinite(result.depth_error_mm.get(name, math.nan))]
    if not there:
        return math.nan, math.nan, math.nan
    errors = np.array([result.depth_error_mm[name] for name in there])
    depth = np.mean([result.depth_mm[name] for name in there])
    return float(depth), float(errors.mean()), float(np.abs(errors).mean())


def _samples(evaluation: Evaluation) -> Table:
    chosen = [result for result in evaluation.results if result.energy_mm is not None]
    alone = [np.sqrt(np.nanmean(np.square(list(result.depth_error_mm.values())))) for result in chosen]
    energy = [result.energy_mm for result in chosen]
    samples, face = np.array(energy, np.float64), np.array(alone, np.float64)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("energy score of the samples", mean_over_subjects(samples)),
        ("the face alone", mean_over_subjects(face)),
        ("gain, paired", mean_over_subjects(face - samples)),
    )
    return Table(f"Samples as a forecast of those depths, mm, on {len(chosen)} subjects", ("", "mm"), rows)


def _notes(evaluation: Evaluation) -> dict[str, list[str]]:
    """Subjects by what is to be known of them."""
    found: dict[str, list[str]] = {}
    for result in evaluation.results:
        for note in result.notes:
            found.setdefault(note, []).append(result.name)
    return found


def _cell(value: int | float) -> str | int | float:
    """Empty where there is no number."""
    return "" if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

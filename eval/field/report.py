"""What a study of the field says: tables, as Markdown to read and as plain data to keep."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from eval.bootstrap import Estimate, mean_over_subjects, ratio_of_means
from eval.face_errors import FACE
from eval.face_uncertainty import LEVELS, Calibration
from eval.field.scores import Score
from eval.field.study import (
    LINEAR,
    LINEAR_TOLD,
    MEAN,
    PARAMETRIC,
    TOLD,
    FieldStudy,
    Scores,
    SetStudy,
)
from eval.held_out.case import HeldOutCase, of_kind
from eval.metrics import DistanceStatistics
from eval.regions import SUB_REGIONS

Cell = str | int | float | Estimate

UNDAMAGED_OF_LINEAR, DAMAGED_OF_LINEAR = 1.15, 1.4
OF_MEAN, OF_PARAMETRIC, OF_GAIN = 0.75, 0.9, 0.5
COVERED, COVERED_ANYWHERE, SPEARMAN = (0.86, 0.94), (0.80, 0.97), 0.3
"""What is wanted of the method that is judged."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of numbers; the first column names the rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        """With a heading; estimates as value (low to high)."""
        lines = [f"### {self.title}", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|---" + "|---:" * (len(self.columns) - 1) + "|")
        lines += ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not a number becomes None."""
        rows = [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows}


def tables(study: FieldStudy) -> list[Table]:
    """All that a study has to say, the goals first."""
    return [
        _goals(study),
        _methods(study, "Undamaged skulls", study.undamaged, study.linear),
        _methods(study, "Damaged skulls", study.damaged, {}),
        _kinds(study),
        _parts(study, "Parts of the face, undamaged skulls: mean error, mm", study.undamaged, study.linear),
        _parts(study, "Parts of the face, damaged skulls: mean error, mm", study.damaged, {}),
        _gains(study),
        *(
            calibration_table(f"Uncertainty of {name}, {which} skulls", calibration)
            for which, chosen in (("undamaged", study.undamaged), ("damaged", study.damaged))
            for name, calibration in chosen.calibration.items()
        ),
    ]


def markdown(study: FieldStudy) -> str:
    """All tables, and what they rest on."""
    refused = ", ".join(f"{len(each.refused)} of {len(each.cases)}" for each in (study.undamaged, study.damaged))
    gross = ", ".join(str(len(each.gross)) for each in (study.undamaged, study.damaged))
    about = (
        "Errors in mm from the true face to the prediction, in the skull's frame, no face aligned to another; in "
        "brackets 95 % bootstrap intervals over subjects. Skulls refused by the aligner (undamaged, damaged): "
        f"{refused}; grossly misplaced and scored as they are: {gross}. "
        f"Linear reference: ridge on {study.trained_on:,} training people, penalty {study.penalty:g} mm². "
        f"Parametric route frozen at {study.parametric_commit[:10]} (program {study.parametric_digest[:10]})."
    )
    return "\n\n".join([about, *(table.markdown() for table in tables(study))]) + "\n"


def as_dict(study: FieldStudy) -> dict[str, Any]:
    """The same for a JSON file, with every case's mean error by method."""
    sets = {"undamaged": study.undamaged, "damaged": study.damaged}
    return {
        "judged": study.judged,
        "linear_reference": {"trained_on": study.trained_on, "penalty_mm2": study.penalty},
        "parametric": {"commit": study.parametric_commit, "program_sha256": study.parametric_digest},
        "refused": {name: chosen.refused for name, chosen in sets.items()},
        "gross": {name: sorted(chosen.gross) for name, chosen in sets.items()},
        "tables": [table.as_dict() for table in tables(study)],
        "cases_mean_mm": {
            name: {method: _means(scores) for method, scores in chosen.items()}
            for name, chosen in (
                ("linear", study.linear),
                *((name, chosen.scores) for name, chosen in sets.items()),
            )
        },
    }


def _means(scores: Scores) -> dict[str, float | None]:
    return {str(number): _plain(score.errors.mean_mm()) for number, score in scores.items()}


def _column(scores: Scores, numbers: Sequence[int], value: Callable[[Score], float]) -> np.ndarray:
    """One number of each case; NaN where there is no score."""
    return np.array([value(scores[number]) if number in scores else np.nan for number in numbers])


def _mean_errors(scores: Scores, numbers: Sequence[int], region: str = FACE) -> np.ndarray:
    return _column(scores, numbers, lambda score: score.errors.mean_mm(region))


def _ratios(study: FieldStudy, chosen: SetStudy, scores: Scores, numbers: Sequence[int]) -> tuple[Estimate, ...]:
    """Of the linear reference on the undamaged skulls of the same people, the mean head and the parametric route on
    the same skulls."""
    own = _mean_errors(scores, numbers)
    others = (study.linear[LINEAR], chosen.scores[MEAN], chosen.scores[PARAMETRIC])
    return tuple(ratio_of_means(own, _mean_errors(other, numbers)) for other in others)


_RATIOS = ("÷ linear", "÷ mean head", "÷ parametric")


def _methods(study: FieldStudy, title: str, chosen: SetStudy, linear: Mapping[str, Scores]) -> Table:
    numbers = [case.number for case in chosen.cases]
    rows: list[tuple[Cell, ...]] = []
    for name, scores in {**chosen.scores, **linear}.items():
        statistics = [score.errors.whole.true_to_predicted for score in scores.values()]
        back = [score.errors.whole.predicted_to_true.mean_mm for score in scores.values()]
        rows.append(
            (
                name,
                len(scores),
                mean_over_subjects(_mean_errors(scores, numbers)),
                *(_average(statistics, field) for field in _FIELDS.values()),
                float(np.nanmean(back)) if back else float("nan"),
                *_ratios(study, chosen, scores, numbers),
            )
        )
    return Table(title, ("method", "cases", "mean", *_FIELDS, "back", *_RATIOS), tuple(rows))


_FIELDS: Mapping[str, str] = {
    "signed": "signed_mean_mm",
    "sd": "sd_mm",
    "p95": "p95_mm",
    "≤2, %": "within_2_mm_percent",
    "≤2.5, %": "within_2_5_mm_percent",
    "≤5, %": "within_5_mm_percent",
    "n·n": "normal_consistency",
}


def _average(statistics: Sequence[DistanceStatistics], field: str) -> float:
    return float(np.mean([getattr(each, field) for each in statistics])) if statistics else float("nan")


def _kinds(study: FieldStudy) -> Table:
    chosen = study.damaged
    scores = chosen.scores[study.judged]
    groups: dict[str, Sequence[HeldOutCase]] = {
        "all": chosen.cases,
        "all but gross": [case for case in chosen.cases if case.number not in chosen.gross],
        **of_kind(chosen.cases),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, cases in groups.items():
        numbers = [case.number for case in cases if case.number in scores]
        mean = mean_over_subjects(_mean_errors(scores, numbers))
        rows.append((name, len(numbers), mean, *_ratios(study, chosen, scores, numbers)))
    title = f"{study.judged} by kind of damage (a skull counts with each of its kinds)"
    return Table(title, ("kind", "cases", "mean", *_RATIOS), tuple(rows))


def _parts(study: FieldStudy, title: str, chosen: SetStudy, linear: Mapping[str, Scores]) -> Table:
    numbers = [case.number for case in chosen.cases]
    regions = (FACE, *(rule.name for rule in SUB_REGIONS))
    rows: list[tuple[Cell, ...]] = [
        (name, *(mean_over_subjects(_mean_errors(scores, numbers, region)) for region in regions))
        for name, scores in {**chosen.scores, **linear}.items()
    ]
    return Table(title, ("method", *regions), tuple(rows))


def _gain(study: FieldStudy, method: str) -> tuple[np.ndarray, np.ndarray]:
    """What each undamaged case's mean error loses when the fullness is told: by a method, by the linear reference."""
    numbers = [case.number for case in study.undamaged.cases]
    pairs = (
        (study.undamaged.scores[method], study.undamaged.scores[method + TOLD]),
        (study.linear[LINEAR], study.linear[LINEAR_TOLD]),
    )
    own, linear = (_mean_errors(without, numbers) - _mean_errors(told, numbers) for without, told in pairs)
    return own, linear


def _gains(study: FieldStudy) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for method in study.undamaged.scores:
        if method + TOLD in study.undamaged.scores:
            own, linear = _gain(study, method)
            rows.append((method, mean_over_subjects(own), mean_over_subjects(linear), ratio_of_means(own, linear)))
    title = "What the fullness is worth: paired gain, mm, undamaged skulls"
    return Table(title, ("method", "gain", "the linear reference's", "ratio"), tuple(rows))


def calibration_table(title: str, calibration: Calibration) -> Table:
    """What an uncertainty is worth, by part of the face; the title tells the rest."""
    rows: list[tuple[Cell, ...]] = [
        (name, *(region.coverage[level] for level in LEVELS), region.sd_mm, region.rms_mm)
        for name, region in calibration.regions.items()
    ]
    title += (
        f": sd and |error| rank-correlate by {calibration.spearman} over all points and {calibration.spearman_within} "
        f"within heads; CRPS {calibration.crps_mm} mm, {calibration.crps_gain_mm} mm better than a constant width of "
        f"{calibration.constant_mm:.2f} mm, which was chosen on these very errors"
    )
    return Table(title, ("part", *(f"{100 * level:g} % covers" for level in LEVELS), "sd, mm", "rms, mm"), tuple(rows))


def _goals(study: FieldStudy) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, chosen, of_linear in (
        ("undamaged", study.undamaged, UNDAMAGED_OF_LINEAR),
        ("damaged", study.damaged, DAMAGED_OF_LINEAR),
    ):
        numbers = [case.number for case in chosen.cases]
        found = _ratios(study, chosen, chosen.scores[study.judged], numbers)
        for ratio, most, label in zip(found, (of_linear, OF_MEAN, OF_PARAMETRIC), _RATIOS, strict=True):
            rows.append((f"{name}: {label}", ratio, f"≤ {most:g}", _met(ratio.value <= most)))
    gain = ratio_of_means(*_gain(study, study.judged))
    rows.append(("fullness: gain ÷ linear's", gain, f"≥ {OF_GAIN:g}", _met(gain.value >= OF_GAIN)))
    for name, chosen in (("undamaged", study.undamaged), ("damaged", study.damaged)):
        if study.judged in chosen.calibration:
            rows += _uncertainty_goals(name, chosen.calibration[study.judged])
    return Table(f"Goals for {study.judged}", ("goal", "found", "wanted", "met"), tuple(rows))


def _uncertainty_goals(name: str, calibration: Calibration) -> list[tuple[Cell, ...]]:
    covered = {region: each.coverage[0.9] for region, each in calibration.regions.items()}
    parts = [estimate.value for region, estimate in covered.items() if region != FACE]
    low, high = COVERED
    least, most = COVERED_ANYWHERE
    return [
        (
            f"{name}: 90 % intervals cover",
            covered[FACE],
            f"{low:g} to {high:g}",
            _met(low <= covered[FACE].value <= high),
        ),
        (
            f"{name}: in every part",
            f"{min(parts):.2f} to {max(parts):.2f}",
            f"{least:g} to {most:g}",
            _met(least <= min(parts) and max(parts) <= most),
        ),
        (
            f"{name}: Spearman of sd and |error|",
            calibration.spearman,
            f"≥ {SPEARMAN:g}",
            _met(calibration.spearman.value >= SPEARMAN),
        ),
        (
            f"{name}: CRPS gained on a constant width, mm",
            calibration.crps_gain_mm,
            "> 0",
            _met(calibration.crps_gain_mm.value > 0.0),
        ),
    ]


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if math.isfinite(cell) else "–"
    if isinstance(cell, Estimate) and not math.isfinite(cell.value):
        return "–"
    return str(cell)


def _plain(cell: Any) -> Any:
    if isinstance(cell, Estimate):
        return {name: _plain(value) for name, value in dataclasses.asdict(cell).items()}
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell

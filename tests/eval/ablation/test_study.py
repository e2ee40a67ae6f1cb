"""Rows of an ablation, against numbers that are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from eval.ablation.figure import ablation_figure
from eval.ablation.report import ablation_dict, ablation_markdown, ablation_table
from eval.ablation.study import DAMAGED, UNDAMAGED, AblationStudy, Row
from eval.face_errors import FaceErrors
from eval.field.scores import Score
from eval.metrics import DistanceStatistics, SurfaceErrors

PEOPLE = range(4)


def score_of(mean_mm: float) -> Score:
    """Of a case whose mean error it is; nothing else of it is known."""
    statistics = DistanceStatistics(100, mean_mm, *[float("nan")] * 8)
    return Score(FaceErrors(SurfaceErrors(statistics, statistics), {}), None, 1.0)


def row(name: str, representation: str, *of_seeds: Mapping[int, float], harmed: float = 1.0) -> Row:
    """Errors of cases by seed, and as much more on damaged skulls."""

    def scores(more: float) -> list[dict[int, Score]]:
        return [{number: score_of(error + more) for number, error in errors.items()} for errors in of_seeds]

    return Row(name, representation, {UNDAMAGED: scores(0.0), DAMAGED: scores(harmed)}, 1_234, [2.0] * len(of_seeds))


def study() -> AblationStudy:
    worse = row("β only", "parametric", {n: 3.0 + n for n in PEOPLE}, {n: 3.5 + n for n in PEOPLE})
    best = row("field", "hybrid", {n: 2.0 + n for n in PEOPLE}, {n: 2.0 + n for n in PEOPLE}, harmed=2.0)
    mean = row("mean head", "", dict.fromkeys((0, 1, 3), 5.0))
    return AblationStudy("representation", "which?", [worse, best], [mean], PEOPLE, range(2))


def test_means_are_over_cases_and_seeds() -> None:
    worse, best = study().rows
    assert worse.mean(UNDAMAGED, PEOPLE).value == pytest.approx(4.75)
    assert [each.value for each in worse.of_seeds(UNDAMAGED, PEOPLE)] == pytest.approx([4.5, 5.0])
    assert best.mean(DAMAGED, PEOPLE).value == pytest.approx(5.5)


def test_differences_are_paired_by_case() -> None:
    """People differ by more than variants do; the difference is the same for each, so its interval is a point."""
    difference = study().against_last(study().rows[0], UNDAMAGED)
    assert (difference.value, difference.low, difference.high) == pytest.approx((1.25, 1.25, 1.25))
    assert study().against_last(study().rows[0], DAMAGED).value == pytest.approx(0.25)


def test_a_case_without_a_score_is_left_out() -> None:
    reference = study().references[0]
    assert np.isnan(reference.errors(UNDAMAGED, PEOPLE)).tolist() == [[False, False, True, False]]
    assert reference.mean(UNDAMAGED, PEOPLE).value == pytest.approx(5.0)
    # The last row's mean on the other three is 10/3.
    assert study().against_last(reference, UNDAMAGED).value == pytest.approx(5.0 - 10.0 / 3.0)


def test_repeats_are_joined() -> None:
    one, other = row("a", "hybrid", {0: 1.0}), row("a", "hybrid", {0: 3.0})
    both = one.repeated(other)
    assert both.mean(UNDAMAGED, [0]).value == pytest.approx(2.0)
    assert both.minutes == [2.0, 2.0]


def test_the_table_and_the_figure(tmp_path: Path) -> None:
    table = ablation_table(study())
    assert [each[0] for each in table.rows] == ["β only: parametric", "field: hybrid", "mean head"]
    text = ablation_markdown(study())
    assert "| β only: parametric | 1,234 | 2.00 | 4.75 (3.75 to 5.75) | 4.50 5.00 | 1.25 (1.25 to 1.25) |" in text
    told = ablation_dict(study())
    assert told["rows"][0]["cases_mean_mm"][UNDAMAGED] == [[3.0, 4.0, 5.0, 6.0], [3.5, 4.5, 5.5, 6.5]]
    assert told["rows"][2]["cases_mean_mm"][DAMAGED] == [[6.0, 6.0, None, 6.0]]
    ablation_figure(tmp_path / "a.png", study(), UNDAMAGED)
    assert (tmp_path / "a.png").stat().st_size > 5_000

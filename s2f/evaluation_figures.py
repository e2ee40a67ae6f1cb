"""The figures of an evaluation: how large the errors are, where they are, in whom, and whether they were foreseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data.prior import AnatomyPrior
from eval.evaluation import Evaluation, SubjectResult, SubjectSurfaces
from eval.face_errors import SAMPLES
from eval.mean_errors import mean_errors
from eval.metrics import errors_of_true
from eval.plots.cumulative_errors import cumulative_errors
from eval.plots.reliability import reliability
from s2f.case_sheet import case_sheet
from s2f.mean_error_map import mean_error_map

CUMULATIVE, ERROR_MAP, CASES, RELIABILITY = "cumulative.png", "error_map.png", "cases.png", "reliability.png"
FIGURES = (CUMULATIVE, ERROR_MAP, CASES, RELIABILITY)
"""Names of the files; the last only of a method that tells its uncertainty."""
BEST, MEDIAN, WORST = 2, 2, 4
"""Cases that are shown, by mean error."""


def write_figures(
    evaluation: Evaluation, prior: AnatomyPrior, out: Path, say: Callable[[str], None] = lambda text: None
) -> None:
    """Write `FIGURES`; of a method that tells no uncertainty, an older `RELIABILITY` in the folder is removed.

    All but the last are of the subjects whose surfaces were kept; captions tell how many these are.

    Args:
        evaluation: Of a method; its warnings stand in every figure.
        prior: Whose mean head errors are drawn on where the true heads have different topologies.
        out: Folder.
        say: Shows what is being done.

    Raises:
        InputError: A file cannot be written.
    """
    kept = [(result, result.surfaces) for result in evaluation.results if result.surfaces is not None]
    surfaces = [each for _, each in kept]
    shown = f"{evaluation.method}, {len(kept)} of {evaluation.subjects} subjects"
    warned = "".join(f"{warning}. " for warning in evaluation.warnings)
    say("drawing how large the errors are")
    cumulative_errors(out / CUMULATIVE, {shown: [_distances(each) for each in surfaces]}, evaluation.warnings)
    if evaluation.calibration is None:
        (out / RELIABILITY).unlink(missing_ok=True)
    else:
        reliability(out / RELIABILITY, {evaluation.method: evaluation.calibration}, evaluation.warnings)
    say("drawing where the errors are")
    mean_error_map(
        out / ERROR_MAP,
        mean_errors(surfaces, prior),
        caption=f"{warned}Distance from the true face to the prediction, averaged at corresponding points and drawn on "
        "a mean head; signed, red is where predictions lie outside. Grey is not scored, or in fewer than half of the "
        f"subjects. {shown}.",
        credit=prior.credit,
    )
    say("drawing the best, the median and the worst cases")
    case_sheet(
        out / CASES,
        [
            (f"{which}: {result.name}, {result.score.errors.mean_mm():.2f} mm", each)
            for which, result, each in extremes(kept)
        ],
        caption=f"{warned}The best, the median and the worst by mean error; red is where the prediction lies outside. "
        f"{shown}.",
        credit=prior.credit,
    )


def extremes(
    kept: Sequence[tuple[SubjectResult, SubjectSurfaces]],
) -> list[tuple[str, SubjectResult, SubjectSurfaces]]:
    """The best, the median and the worst subjects by mean error, ascending; all of them where there are few."""
    ordered = sorted(kept, key=lambda pair: pair[0].score.errors.mean_mm())
    count = len(ordered)
    if count <= BEST + MEDIAN + WORST:
        return [(f"{place + 1} of {count}", *pair) for place, pair in enumerate(ordered)]
    middle = (count - MEDIAN) // 2
    chosen = (("best", range(BEST)), ("median", range(middle, middle + MEDIAN)), ("worst", range(count - WORST, count)))
    return [(which, *ordered[place]) for which, places in chosen for place in places]


def _distances(surfaces: SubjectSurfaces) -> np.ndarray:
    return errors_of_true(surfaces.predicted, surfaces.truth.head, surfaces.truth.triangles, SAMPLES).signed_mm

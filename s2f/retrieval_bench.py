"""Runs `eval.retrieval.study` on a trained field: the test set's people searched for in a gallery of others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flame_jax.errors import InputError
from flame_jax.whole_file import whole_file

if TYPE_CHECKING:
    from eval.field.scores import Reconstruct
    from s2f.field_face import Representation
    from s2f.field_file import TrainedField

OUTPUTS = ("table.md", "retrieval.json", "cmc.png")


@dataclasses.dataclass(frozen=True)
class RetrievalBench:
    """What is measured."""

    field: TrainedField
    representation: Representation
    baselines: Sequence[str]
    """Names of `eval.baselines.named`."""
    people: int
    """Probes, of the test set."""
    sizes: tuple[int, ...]
    """Of galleries, the probe's true face included."""
    trained_on: int
    """People that the linear reference and the baselines learn from."""
    kept: Path
    """Folder for test cases, galleries and training people."""


def check_sizes(sizes: tuple[int, ...]) -> None:
    """Raise `InputError` for galleries in which there is nobody else, or none at all."""
    if not sizes or min(sizes) < 2:
        raise InputError(f"--sizes {' '.join(map(str, sizes))}: give one or more, each at least 2")


def run_retrieval_bench(bench: RetrievalBench, out: Path, say: Callable[[str], None]) -> str:
    """Measure, and write table.md, retrieval.json and cmc.png into a folder. Returns the tables.

    Raises `InputError` where a file cannot be read or written.
    """
    import numpy as np

    from data.cohort.variants import TEST
    from data.jaw_opening import read_jaw_opening
    from data.prior import read_prior
    from data.shipped import JAW_OPEN_ICT, PRIOR_ICT
    from eval.baselines.named import make_baseline
    from eval.field.study import LINEAR
    from eval.held_out.cases import UNDAMAGED
    from eval.plots.cumulative_match import cumulative_match
    from eval.regression.linear_reference import LinearReference
    from eval.retrieval.face_coefficients import FaceCoefficients
    from eval.retrieval.face_search import FaceSearch
    from eval.retrieval.gallery import make_gallery
    from eval.retrieval.report import ranks_to_draw, retrieval_dict, retrieval_markdown
    from eval.retrieval.study import predicting, retrieve
    from s2f.baseline_learning import baseline_learning
    from s2f.field_method import FieldMethod
    from s2f.held_out_cases import shipped_cases

    test_prior = read_prior(PRIOR_ICT)
    cases = shipped_cases(UNDAMAGED, bench.people, bench.kept, say)
    test_jaw = read_jaw_opening(JAW_OPEN_ICT, test_prior)
    gallery = make_gallery(test_prior, TEST, test_jaw, max(bench.sizes) - 1, bench.kept / "gallery", say)
    modes = bench.field.model.config.residual_modes
    learning = baseline_learning(bench.kept, say, people=bench.trained_on, residual_modes=modes)
    say("training the linear reference")
    reference = LinearReference.train(learning.people, learning.prior, test_prior)
    # From the head frame of one generator to the other's, by the mean skulls: the same for everybody.
    T_gallery_aligned = np.linalg.inv(reference.T_head_skull(test_prior.skull))
    routes: dict[str, Reconstruct] = {
        f"{bench.representation} field": FieldMethod.of(bench.field, bench.representation),
        **{name: make_baseline(name, learning) for name in bench.baselines},
    }
    methods = {name: predicting(route, T_gallery_aligned) for name, route in routes.items()}
    methods[LINEAR] = lambda case: reference.predict(case.whole_skull)
    search = FaceSearch(gallery, FaceCoefficients(test_prior.head, gallery.places))
    study = retrieve(methods, cases, search, bench.sizes, say)
    text = retrieval_markdown(study)
    cumulative_match(out / "cmc.png", ranks_to_draw(study))
    with whole_file(out / "retrieval.json") as unfinished:
        about = {"field": str(bench.field.path), "sha256": bench.field.sha256, "trained_on": bench.trained_on}
        plain_data = json.dumps(about | retrieval_dict(study), indent=1, allow_nan=False)
        unfinished.write_text(plain_data + "\n", encoding="utf-8")
    with whole_file(out / "table.md") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text

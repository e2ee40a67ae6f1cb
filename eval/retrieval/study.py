"""Closed-set retrieval: at which rank a person's true face comes among many, when searched for with the predicted one.

Who is searched for is in the gallery always (closed set). A smaller gallery is one of the parts that the large one
falls into, and shares are means over all parts: no probe is at the mercy of ninety-nine others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from eval.bootstrap import Estimate, mean_over_subjects
from eval.field.scores import Reconstruct
from eval.held_out.case import HeldOutCase
from eval.retrieval.face_search import MEASURES, FaceSearch
from fields.mesh import Mesh
from flame_jax.errors import InputError

Predict = Callable[[HeldOutCase], Mesh]
"""The predicted head or face of a case, in the frame of the gallery's faces, mm; raises `InputError` where there is
none."""
Ranks = Mapping[int, Float[np.ndarray, "probes galleries"]]
"""By the gallery's size, the true face included: a row per probe and a column per gallery of that size, counted from 1;
NaN for a probe without a prediction."""


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """Ranks of the true faces."""

    probes: Sequence[int]
    """Numbers of the test cases."""
    ranks: Mapping[str, Mapping[str, Ranks]]
    """By method and measure."""


def retrieve(
    methods: Mapping[str, Predict],
    cases: Sequence[HeldOutCase],
    search: FaceSearch,
    sizes: Sequence[int],
    say: Callable[[str], None] = lambda text: None,
) -> Retrieval:
    """Search for the true face of every case with every method's prediction.

    Args:
        methods: By name.
        cases: The probes, of the same head model as the gallery and none of its people.
        search: Of a gallery with at least one person less than the largest size.
        sizes: Of galleries, the true face included, at least 2.
        say: Shows what is being done.
    """
    ranks: dict[str, dict[str, Ranks]] = {}
    for method, predict in methods.items():
        rows: list[dict[str, Float[np.ndarray, " faces"]]] = []
        for case in cases:
            say(f"{method}: case {case.number}")
            try:
                rows.append(search.unlikeness(predict(case), case.head))
            except InputError as error:
                say(f"{method}: case {case.number}: {error}")
                rows.append(dict.fromkeys(MEASURES, np.full(1 + len(search.gallery.faces), np.nan)))
        ranks[method] = {
            measure: {size: np.stack([ranks_in_galleries(row[measure], size) for row in rows]) for size in sizes}
            for measure in MEASURES
        }
    return Retrieval([case.number for case in cases], ranks)


def predicting(method: Reconstruct, T_gallery_aligned: Float[np.ndarray, "4 4"]) -> Predict:
    """What a method makes of a case's skull where the aligner put it, in the frame of the gallery's faces.

    Args:
        method: Is not told the fullness.
        T_gallery_aligned: Rigid, the same for all skulls: from the head frame that the aligner aims at to that of the
            gallery's generator. It tells where frames lie by definition, nothing of a person.
    """

    def predict(case: HeldOutCase) -> Mesh:
        if case.placed is None:
            raise InputError(case.refusal)
        return method(case.placed, None).mesh.transformed(T_gallery_aligned)

    return predict


def ranks_in_galleries(unlikeness: Float[np.ndarray, " faces"], size: int) -> Float[np.ndarray, " galleries"]:
    """Rank of the first face among `size` faces, once for each part of `size − 1` that the others fall into.

    Whoever is as like counts half. NaN where the first is not a number. Raises `ValueError` when the others are fewer.
    """
    own, others = unlikeness[0], unlikeness[1:]
    galleries = len(others) // (size - 1)
    if not galleries:
        raise ValueError(f"{len(others)} other faces are too few for galleries of {size}")
    others = others[: galleries * (size - 1)].reshape(galleries, size - 1)
    ranks = 1.0 + (others < own).sum(axis=1) + 0.5 * (others == own).sum(axis=1)
    return np.where(np.isfinite(own), ranks, np.nan)


def found_within(ranks: Float[np.ndarray, "probes galleries"], rank: int) -> Estimate:
    """Percentage of probes that come at a rank or before it, mean over galleries, with its interval over probes."""
    shares = np.where(np.isfinite(ranks), 100.0 * (ranks <= rank), np.nan)
    return mean_over_subjects(shares.mean(axis=1))

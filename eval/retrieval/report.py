"""What a study of retrieval says: tables, as Markdown to read and as plain data to keep."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from eval.bootstrap import mean_over_subjects
from eval.field.report import Cell, Table
from eval.retrieval.face_search import ALIGNED
from eval.retrieval.study import Retrieval, found_within

TOP = (1, 5, 10)
"""Ranks that are asked about."""


def retrieval_tables(study: Retrieval) -> list[Table]:
    """One for each size of gallery, by chance first."""
    sizes = next(iter(next(iter(study.ranks.values())).values()))
    return [_table(study, size) for size in sizes]


def retrieval_markdown(study: Retrieval) -> str:
    """All tables, and what they rest on."""
    about = (
        f"{len(study.probes)} test skulls, undamaged and placed by the aligner, searched for with the face predicted "
        "from each, fullness not told. Found at rank 1, within 5 and within 10, in % of the probes, with 95 % "
        "bootstrap intervals over probes; a smaller gallery is a mean over all parts of the largest. 'As it lies' "
        "compares faces in the frames of their skulls, which nobody has who searches among faces. **'Faces aligned' "
        "and 'coefficients' are after aligning the faces**: shape alone. The linear reference knows the true frame and "
        "every point of the skull by name."
    )
    return "\n\n".join([about, *(table.markdown() for table in retrieval_tables(study))]) + "\n"


def retrieval_dict(study: Retrieval) -> dict[str, Any]:
    """The same for a JSON file, with every probe's rank among all faces, and its mean rank among fewer."""
    return {
        "probes": list(study.probes),
        "tables": [table.as_dict() for table in retrieval_tables(study)],
        "mean_ranks": {
            method: {
                measure: {str(size): [_number(rank) for rank in ranks.mean(axis=1)] for size, ranks in by_size.items()}
                for measure, by_size in by_measure.items()
            }
            for method, by_measure in study.ranks.items()
        },
    }


def ranks_to_draw(study: Retrieval, measure: str = ALIGNED) -> dict[int, dict[str, Float[np.ndarray, "probes _"]]]:
    """By the gallery's size and by method; by shape alone unless another measure is named."""
    ranks: dict[int, dict[str, Float[np.ndarray, "probes _"]]] = {}
    for method, by_measure in study.ranks.items():
        for size, found in by_measure[measure].items():
            ranks.setdefault(size, {})[method] = found
    return ranks


def _table(study: Retrieval, size: int) -> Table:
    chance: tuple[Cell, ...] = ("chance", "", *(100.0 * min(rank / size, 1.0) for rank in TOP), 0.5 * (size + 1), 50.0)
    rows: list[tuple[Cell, ...]] = [chance]
    for method, by_measure in study.ranks.items():
        for measure, by_size in by_measure.items():
            ranks = by_size[size]
            behind = 100.0 * (ranks.mean(axis=1) - 1.0) / (size - 1)
            rows.append(
                (
                    method,
                    measure,
                    *(found_within(ranks, rank) for rank in TOP),
                    float(np.nanmedian(ranks)) if np.isfinite(ranks).any() else float("nan"),
                    mean_over_subjects(behind),
                )
            )
    columns = ("method", "measure", *(f"rank ≤ {rank}, %" for rank in TOP), "median rank", "others before, %")
    return Table(f"Among {size:,} faces", columns, tuple(rows))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""`s2f bench retrieval`: whether a person is found among many by the face predicted from the skull."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

_OptionalPath = tyro.conf.arg(metavar="PATH", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class BenchRetrieval:
    """Search for test people among others of the same head model and generator with the faces predicted from their
    skulls, by surface and by coefficients, beside the mean head, which is chance, and the linear reference. The gallery
    of made faces is drawn the first time and kept in --kept. It measures how much of a face a method finds, on nobody's
    faces; no person is to be searched for with a face made of a skull."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where to write: table.md, retrieval.json, cmc.png."""
    checkpoint: Annotated[Path | None, _OptionalPath] = None
    """The field: a training run's folder or a model's file; the shipped one if not given."""
    kept: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("out/bench")
    """Folder for what takes long and does not depend on the field."""
    people: int = 100
    """Of the test set, to be searched for."""
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    """Faces to search among, the true one included."""
    trained_on: int = 2_000
    """People that the linear reference learns from."""
    representation: Literal["hybrid", "implicit", "parametric"] = "hybrid"
    """Of the field."""
    baselines: tuple[str, ...] = ("mean-head",)
    """What to search with besides, of mean-head, classic, ridge, pls and nearest; the mean head is chance."""
    overwrite: bool = False
    """Replace the results of an earlier run."""

    def run(self) -> int:
        """Measure, print the tables, and write them."""
        from eval.baselines.named import check_baselines
        from s2f.outputs import check_outputs
        from s2f.retrieval_bench import OUTPUTS, RetrievalBench, check_sizes, run_retrieval_bench

        check_sizes(self.sizes)
        check_baselines(self.baselines)
        check_outputs([self.out / name for name in OUTPUTS], overwrite=self.overwrite)

        from data.shipped import FIELD
        from s2f.compilation_cache import use_compilation_cache
        from s2f.field_file import read_field
        from s2f.steps import Steps

        use_compilation_cache()
        steps = Steps()
        bench = RetrievalBench(
            field=read_field(self.checkpoint or FIELD),
            representation=self.representation,
            baselines=self.baselines,
            people=self.people,
            sizes=self.sizes,
            trained_on=self.trained_on,
            kept=self.kept,
        )
        with steps.step("searching") as say:
            print(run_retrieval_bench(bench, self.out, say))
        return 0

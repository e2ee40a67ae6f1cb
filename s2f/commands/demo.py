"""`s2f demo`: the shipped case, with nothing else needed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True)
class Demo:
    """Reconstruct a made skull whose true face is known, and show the error.

    The skull is sampled from the shipped anatomy prior with a fixed seed, far from the mean, turned, moved, in metres.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("out/demo")
    """Where to write face.obj, face.json and face.png, the skull and its true face."""
    overwrite: bool = False
    """Replace the results of an earlier run."""

    def run(self) -> int:
        """Run the demo case."""
        from s2f.outputs import check_outputs, face_outputs, spread_output

        case = (self.out / "skull.ply", self.out / "true_face.ply")
        face = self.out / "face.obj"
        check_outputs((*face_outputs(face), spread_output(face), *case), overwrite=self.overwrite)

        from rich.console import Console

        from s2f.compilation_cache import use_compilation_cache
        from s2f.demo import run_demo

        use_compilation_cache()
        run_demo(self.out, Console())
        return 0

"""`s2f compare`: how far a predicted face lies from the true one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from flame_jax.errors import InputError

_File = tyro.conf.arg(metavar="FILE")
_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")


@dataclasses.dataclass(frozen=True)
class Compare:
    """Measure a predicted face against the true one as they lie, without any alignment.

    Both are meshes in the skull's frame and unit. The true face of a CT: `s2f preprocess CT --tissue skin`.
    """

    predicted: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PREDICTED")]
    """The predicted face."""
    true: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TRUE")]
    """The true face or head."""
    skull: Annotated[Path, _File]
    """The .json that `s2f reconstruct` wrote for the skull: its landmarks define the regions."""
    region: Literal["face", "head"] = "face"
    """Which part of the true surface is scored."""
    mask: Annotated[Path | None, _OptionalFile] = None
    """JSON of boxes, spheres and half-spaces to leave out, where a scan is cut, streaked or covered."""
    out: Annotated[Path | None, _OptionalFile] = None
    """Where to write the figures as JSON too."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Compare, print the table, and write it if asked."""
        from s2f.outputs import check_extension, check_outputs

        if self.out is not None:
            check_extension(self.out, (".json",))
            inputs = (self.predicted, self.true, self.skull, self.mask)
            check_outputs([self.out], inputs=inputs, overwrite=self.overwrite)

        import json

        from data.mesh_files import read_mesh
        from data.volume_files import is_volume
        from eval.compare import compare, print_comparison
        from eval.exclusion import read_exclusion
        from eval.skull_record import read_skull_record
        from flame_jax.whole_file import whole_file
        from s2f.steps import Steps

        for path in (self.predicted, self.true):
            if is_volume(path):
                raise InputError(f"{path}: is a volume, not a mesh; make one with s2f preprocess --tissue skin")
        record = read_skull_record(self.skull)
        exclusion = None if self.mask is None else read_exclusion(self.mask)
        steps = Steps()
        with steps.step("reading"):
            predicted, true = read_mesh(self.predicted), read_mesh(self.true)
        with steps.step("measuring"):
            comparison = compare(predicted, true, region=self.region, skull=record, exclusion=exclusion)
        if self.out is not None:
            files = {name: str(getattr(self, name)) for name in ("predicted", "true", "skull", "mask")}
            with whole_file(self.out) as unfinished:
                content = json.dumps({"files": files} | comparison.as_dict(), indent=2, ensure_ascii=False)
                unfinished.write_text(content + "\n", encoding="utf-8")
        print_comparison(comparison)
        return 0

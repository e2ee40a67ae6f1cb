"""`s2f build-jaw`: how the mouth of an anatomy prior opens."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

_File = tyro.conf.arg(metavar="FILE")
_OptionalFile = tyro.conf.arg(metavar="FILE", help_behavior_hint="")

_CHANGES = (
    "Changed: the displacements of the expression jawOpen were carried over to another head and quantised; the motion "
    "of the lower teeth was made rigid."
)


@dataclasses.dataclass(frozen=True)
class BuildJaw:
    """Make the open jaw of an anatomy prior from a head model whose jaw opens: ICT-FaceKit."""

    out: Annotated[Path, _File]
    """Where to write the opening (.npz)."""
    head_model: Annotated[Path, _File]
    """ICT-FaceKit: its folder, or an .npz of its arrays."""
    prior: Annotated[Path | None, _OptionalFile] = None
    """Anatomy prior whose head is to open; the shipped one if not given."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def run(self) -> int:
        """Read both, carry the opening over, write it, and say what it is like."""
        from s2f.outputs import check_extension, check_outputs

        check_extension(self.out, (".npz",))
        check_outputs([self.out], inputs=(self.head_model, self.prior), overwrite=self.overwrite)

        import numpy as np

        from data.build_jaw_opening import build_jaw_opening
        from data.jaw_opening import write_jaw_opening
        from data.prior import read_prior
        from data.shipped import PRIOR
        from flame_jax.model_file import read_head_model
        from s2f.steps import Steps

        steps = Steps()
        with steps.step("reading"):
            model = read_head_model(self.head_model)
            prior = read_prior(PRIOR if self.prior is None else self.prior)
        source = " ".join(model.credit.split()) or f"{self.head_model.name}; see its own licence, which stays in force."
        with steps.step("building the open jaw") as say:
            opening = build_jaw_opening(
                model, prior, credit=f"Open jaw: {source} {_CHANGES}", source=str(self.head_model), progress=say
            )
        with steps.step("writing"):
            write_jaw_opening(self.out, opening, prior)
        moving = int(np.any(np.asarray(opening.skin) != 0.0, axis=1).sum())
        print(
            f"{self.out}: {self.out.stat().st_size / 1e3:.0f} kB; {moving:,} of the head's {len(opening.skin):,} "
            f"vertices move, the mandible turns by {np.degrees(float(opening.mandible.angle)):.1f} degrees"
        )
        print(opening.credit)
        return 0

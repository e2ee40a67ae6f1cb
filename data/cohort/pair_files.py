"""A case of the cohort as files: a skull, a face and a record, in the layout that `data.pairs` reads.

The files show the same case as `data.cohort.stream` does: bone lies where its points are, skin where its distances
vanish.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from data.cohort.broken_mesh import broken_mesh
from data.cohort.case import Case, Conditions, Generator, case_key, draw_case
from data.cohort.generator import deviation_names
from data.cohort.kinds import kinds_of
from data.cohort.variants import Variant
from data.landmarks import MANDIBULAR, abbreviation_of
from data.mesh_files import write_mesh
from data.pairs.folders import FACE, RECORD, SKULL
from data.pairs.record import PairRecord, write_record
from data.prior import AnatomyPrior
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError

_draw_case = jax.jit(draw_case)


@dataclasses.dataclass(frozen=True)
class PairMaker:
    """Everything that pairs of one cohort are made with."""

    prior: AnatomyPrior
    variant: Variant
    generator: Generator
    conditions: Conditions
    seed: int

    @functools.cached_property
    def depth_names(self) -> tuple[str, ...]:
        """Controls with a depth, in the order of `Body.deviations`."""
        names = deviation_names(self.prior, self.variant)
        return names[: int(np.count_nonzero(np.asarray(self.generator.anatomy.mean) > 0.0))]

    def case(self, number: int) -> Case:
        """The case of a number: always the same, whichever others are drawn."""
        return _draw_case(case_key(self.seed, number), self.generator, self.conditions)

    def skull(self, case: Case) -> Mesh:
        """A case's skull as its file shows it, but in the head frame (mm). Without triangles where nothing is left."""
        generator, body = self.generator, case.body
        T_open_closed = np.asarray(body.T_open_closed)
        return broken_mesh(case.harm, generator.skeleton, generator.samples, body.skeleton, T_open_closed)

    def write(self, folder: Path, number: int) -> None:
        """Make a pair in the folder `folder`/`case_name(number)`, which appears whole or not at all.

        In it are `skull.ply` and `face.ply`, in millimetres and in the same random pose, and `record.json`. Of no
        effect where the case exists already.

        Raises `InputError` where nothing is left of the skull, or the place cannot be written.
        """
        final = folder / case_name(number)
        unfinished = folder / f".{case_name(number)}.{os.getpid()}"
        if final.is_dir():
            return
        try:
            self._fill(unfinished, number)
            unfinished.replace(final)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(f"{final}: cannot be written ({reason}); choose another place") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _fill(self, folder: Path, number: int) -> None:
        case = self.case(number)
        body, harm = case.body, case.harm
        skull = self.skull(case)
        if not len(skull.faces):
            raise InputError(f"{folder.parent}: case {number} has nothing left of its skull; choose a lower --damage")
        T_input_head = np.asarray(harm.T_scan_head, np.float64)
        credit = self.prior.credit
        face = Mesh(np.asarray(body.head, np.float64), self.prior.head.faces)
        for name, mesh in ((SKULL, skull), (FACE, face)):
            placed = Mesh(transform_points(T_input_head, mesh.vertices), mesh.faces)
            write_mesh(folder / f"{name}.ply", placed, credit=credit)
        write_record(folder / RECORD, self._record(case, number), more=self._more(case))

    def _record(self, case: Case, number: int) -> PairRecord:
        T_head_input = _inverse(np.asarray(case.harm.T_scan_head, np.float64))
        depths = np.asarray(case.body.deviations, np.float64)[: len(self.depth_names)].tolist()
        return PairRecord(
            case=number,
            seed=self.seed,
            generator=self.variant.name,
            T_head_input_true=T_head_input,
            T_head_input_aligned=_orthonormal(np.asarray(case.T_aligned_head, np.float64)) @ T_head_input,
            fullness=float(case.person.fullness),
            betas=np.asarray(case.person.betas, np.float64),
            head_model=self.prior.head.name,
            depths=dict(zip(self.depth_names, depths, strict=True)),
        )

    def _more(self, case: Case) -> Mapping[str, Any]:
        return {
            "mm_per_unit": 1.0,
            "T_head_model": np.asarray(case.body.T_head_model, np.float64).tolist(),
            "jaw_opening": float(case.person.opening),
            "damage": list(kinds_of(case.harm, case.person.opening)),
            "landmarks_head_mm": {name: point.tolist() for name, point in self.landmarks(case).items()},
        }

    def landmarks(self, case: Case) -> dict[str, Float[np.ndarray, "3"]]:
        """Of a case's whole skull, where they were in life: head frame, mm."""
        own = np.asarray(case.body.skeleton, np.float64)[: len(self.prior.skull.vertices)]
        shut = self.prior.landmark_points(Mesh(own, self.prior.skull.faces))
        opened = np.asarray(case.body.T_open_closed, np.float64)
        return {
            name: transform_points(opened, point[None])[0] if abbreviation_of(name) in MANDIBULAR else point
            for name, point in shut.items()
        }


def case_name(number: int) -> str:
    """Name of a case's folder."""
    return f"{number:06d}"


def _orthonormal(transform: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The rigid transform next to one in single precision."""
    u, _, vt = np.linalg.svd(transform[:3, :3])
    return np.block([[u @ vt, transform[:3, 3:]], [np.zeros((1, 3)), np.ones((1, 1))]])


def _inverse(transform: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    return np.linalg.inv(_orthonormal(transform))

"""Anybody's predicted faces in a folder, so that they can be scored: `docs/submission.md` is the format's description.

The folder holds `submission.json`, a mesh for each case, and perhaps what the method says of its uncertainty. Nothing
in it is ever run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data.json_file import numbers, read_json_object
from data.mesh_files import READABLE, read_mesh
from eval.evaluation import TimedPrediction
from eval.field.scores import Prediction
from eval.subject import Subject
from fields.mesh import Mesh
from flame_jax.errors import InputError

FORMAT = "s2f submission 1"
ABOUT = "submission.json"
_SPREAD = "_sd.npy"
_KEYS = ("format", "method", "description", "aligned_to_truth", "fullness_told", "seconds")
_REMEDY = "docs/submission.md says what it holds"
_MERGING = (".stl", ".glb")
"""Kinds whose vertices have no order of their own."""


@dataclasses.dataclass(frozen=True)
class CaseFiles:
    """What a submission has for one case."""

    mesh: Path
    spread: Path | None
    """Standard deviations at the mesh's vertices."""
    samples: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class Submission:
    """A folder of predictions; an `eval.evaluation.Method`."""

    folder: Path
    method: str
    """Name of what made them."""
    description: str
    aligned_to_truth: bool
    """Whether a predicted face was moved onto the true one, so that its place has no error."""
    fullness_told: bool
    """Whether the method knew how full the faces are."""
    seconds: Mapping[str, float]
    """That it took, by case."""
    cases: Mapping[str, CaseFiles]
    strangers: tuple[str, ...]
    """Names of meshes and standard deviations that belong to no case."""

    def __call__(self, subject: Subject) -> TimedPrediction:
        """The prediction for a subject. Raises `InputError` where there is none or its files are damaged."""
        files = self.cases.get(subject.name)
        if files is None:
            raise InputError(f"{self.folder}: has no mesh for case {subject.name}")
        mesh = read_mesh(files.mesh)
        sd = None if files.spread is None else _read_spread(files.spread, files.mesh, mesh)
        samples = [read_mesh(path).transformed(subject.T_head_input) for path in files.samples]
        prediction = Prediction(mesh.transformed(subject.T_head_input), sd, samples)
        return TimedPrediction(prediction, self.seconds.get(subject.name, float("nan")))


def read_submission(folder: Path, cases: Collection[str]) -> Submission:
    """Look a submission through; its meshes are read when they are scored.

    Args:
        folder: Of the submission.
        cases: Names of the cases that there are.

    Raises:
        InputError: The folder or its `submission.json` is absent or not what it should be, no mesh belongs to a case,
            or a case has two.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of predictions")
    path = folder / ABOUT
    content = read_json_object(path, _REMEDY)
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: format {content.get('format')!r} is not '{FORMAT}'; {_REMEDY}")
    unknown = [key for key in content if key not in _KEYS]
    if unknown:
        raise InputError(f"{path}: {', '.join(unknown)} is unknown; {_REMEDY}")
    found, strangers = _find(folder, cases)
    if not found:
        raise InputError(
            f"{folder}: has no mesh named as a case is, such as {next(iter(cases), 'none')}.ply; {_REMEDY}"
        )
    return Submission(
        folder=folder,
        method=_text(path, content, "method"),
        description=_text(path, {"description": ""} | content, "description"),
        aligned_to_truth=_flag(path, content, "aligned_to_truth"),
        fullness_told=_flag(path, content, "fullness_told"),
        seconds=_seconds(path, content.get("seconds", {})),
        cases=found,
        strangers=strangers,
    )


def _find(folder: Path, cases: Collection[str]) -> tuple[dict[str, CaseFiles], tuple[str, ...]]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    stems = {name: Path(name).stem for name in names if Path(name).suffix.lower() in READABLE}
    left = set(stems) | {name for name in names if name.endswith(_SPREAD)}
    found = {}
    for case in cases:
        mesh = _only(folder, [name for name, stem in stems.items() if stem == case])
        if mesh is None:
            continue
        sample = re.compile(re.escape(f"{case}_sample_") + r"(\d+)")
        numbered = {
            name: match for name, stem in stems.items() if (match := sample.fullmatch(stem)) and stem not in cases
        }
        samples = sorted(numbered, key=lambda name: int(numbered[name][1]))
        spread = case + _SPREAD if case + _SPREAD in names else None
        found[case] = CaseFiles(
            folder / mesh, None if spread is None else folder / spread, tuple(folder / name for name in samples)
        )
        left -= {mesh, spread, *samples}
    return found, tuple(sorted(left))


def _only(folder: Path, names: Sequence[str]) -> str | None:
    if len(names) > 1:
        raise InputError(f"{folder}: has {' and '.join(names)}; keep one of them")
    return names[0] if names else None


def _read_spread(path: Path, mesh_path: Path, mesh: Mesh) -> Float[np.ndarray, " vertices"]:
    """Standard deviations in mm at a mesh's vertices."""
    if mesh_path.suffix.lower() in _MERGING:
        raise InputError(f"{path}: {mesh_path.name} keeps no order of vertices; give the mesh as .ply, .obj or .off")
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        # numpy raises several types on damaged bytes; to the user they are one.
        raise InputError(f"{path}: is no array of numbers, or damaged; {_REMEDY}") from error
    wanted = (len(mesh.vertices),)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.shape != wanted:
        raise InputError(
            f"{path}: is not one number for each of the {wanted[0]} vertices of {mesh_path.name}; {_REMEDY}"
        )
    sd = np.array(array, np.float64)
    if not (np.isfinite(sd) & (sd >= 0.0)).all():
        raise InputError(f"{path}: has standard deviations that are negative or not finite; correct them")
    return sd


def _text(path: Path, content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or (key == "method" and not value.strip()):
        raise InputError(f"{path}: {key} is not a text; {_REMEDY}")
    return " ".join(value.split())


def _flag(path: Path, content: Mapping[str, Any], key: str) -> bool:
    value = content.get(key)
    if not isinstance(value, bool):
        raise InputError(f"{path}: {key} is neither true nor false; {_REMEDY}")
    return value


def _seconds(path: Path, value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: seconds is not a table of cases and numbers; {_REMEDY}")
    return {str(case): float(numbers(path, each, (), f"seconds of {case}")) for case, each in value.items()}

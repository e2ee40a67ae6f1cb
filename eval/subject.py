"""A person that methods are scored on: a skull, and the true face of the same head.

All lies in the subject's head frame (mm): the true one where a pair's record tells it, and otherwise where our aligner
puts the skull. A method's face is carried there from the skull's own frame, and scored as it lies: no face is ever
aligned to another.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from data.align import Alignment, align_skull
from data.cleaning import clean
from data.json_file import read_json_object
from data.mesh_files import read_mesh
from data.pairs.folders import Pair
from data.pairs.record import PairRecord, read_record
from data.prior import AnatomyPrior
from data.units import guess_unit
from eval.exclusion import Exclusion, read_exclusion
from eval.face_errors import TrueFace
from eval.landmark_depths import DepthRays, depth_rays
from eval.skull_record import SkullRecord, read_skull_record
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError

MASK = "mask.json"
"""In a pair's folder: what of its true face is not scored, as `eval.exclusion` reads it."""

_OF_TRAINING = "made by the generator that makes training pairs: easier than anybody else's head"


@dataclasses.dataclass(frozen=True)
class Subject:
    """One person; head frame, mm, where nothing else is said."""

    name: str
    skull: Mesh
    """Cleaned."""
    truth: TrueFace
    """Without what is excluded."""
    rays: DepthRays
    """Over the skull's landmarks, where the true skin is scored."""
    T_head_input: Float[np.ndarray, "4 4"]
    """From the skull's own frame and unit: turns, moves and changes the unit, nothing else."""
    mm_per_unit: float
    """Length of the skull's own unit."""
    fullness: float | None
    """Of the face, in standard deviations; None where it is not known."""
    alignment: Alignment | None
    """Our aligner's, where it defines the head frame; None where a record does."""
    masked_area_mm2: float
    """Of the face region, that is excluded."""
    own_skin: bool
    """Whether the true face is a real person's own skin, and not made by a generator."""
    notes: tuple[str, ...]
    """What a reader of the scores should know."""

    @property
    def T_input_mm_head(self) -> Float[np.ndarray, "4 4"]:
        """Rigid: from the head frame to the skull's own, in mm."""
        return _in_mm(self.mm_per_unit) @ np.linalg.inv(self.T_head_input)


def read_pair(pair: Pair, prior: AnatomyPrior) -> Subject:
    """A pair's subject.

    Frame, unit and landmarks come from the pair's record if it tells the true "T_head_input", "mm_per_unit" and
    "landmarks_head_mm", and from our aligner if not. `mask.json` beside the pair is obeyed.

    Raises `InputError` when a file cannot be read, the aligner refuses the skull, or nothing of the face is there.
    """
    record = read_record(pair.record) if pair.record.exists() else PairRecord()
    skin = read_mesh(pair.face)
    mask = pair.folder / MASK
    return make_subject(
        pair.folder.name,
        clean(read_mesh(pair.skull)),
        # What our generator made is wound outward already, and what a cleaning took would be missing from the truth.
        skin if record.generator is not None else clean(skin),
        prior,
        source=str(pair.skull),
        known=_known(pair, record),
        fullness=record.fullness,
        exclusion=read_exclusion(mask) if mask.exists() else None,
        own_skin=record.generator is None,
        notes=(_OF_TRAINING,) if record.generator == "train" else (),
    )


def make_subject(
    name: str,
    skull: Mesh,
    skin: Mesh,
    prior: AnatomyPrior,
    *,
    source: str,
    known: SkullRecord | None = None,
    unit: str | None = None,
    fullness: float | None = None,
    exclusion: Exclusion | None = None,
    own_skin: bool = True,
    notes: tuple[str, ...] = (),
) -> Subject:
    """A subject of two surfaces in one frame and unit.

    Args:
        name: Of the subject.
        skull: Cleaned.
        skin: The true face or head, wound outward; it may be open.
        prior: That skulls are aligned with, and whose directions depths are measured in.
        source: What to call the skull in messages.
        known: Frame, unit and landmarks; found by our aligner if None.
        unit: `mm`, `cm` or `m`, for our aligner; guessed from the skull's size if None.
        fullness: Of the face, in standard deviations; None where it is not known.
        exclusion: What is not scored; in the surfaces' frame, mm.
        own_skin: Whether the skin is a real person's.
        notes: What a reader of the scores should know.

    Raises:
        InputError: The aligner refuses the skull, or nothing of the face is there.
    """
    alignment = None
    on_bone = None if known is None else known.landmarks
    if known is None:
        mm_per_unit = guess_unit(skull, source=source, override=unit).mm_per_unit
        to_mm = _in_mm(mm_per_unit)
        alignment = align_skull(skull.transformed(to_mm), prior, source=source)
        on_bone = alignment.landmarks
        guessed = sorted(set(alignment.bent_landmarks) - set(on_bone))
        if guessed:
            notes = (*notes, f"without bone at {', '.join(guessed)}: regions take them from the bent template")
        everywhere = {**alignment.bent_landmarks, **on_bone}
        known = SkullRecord(source, alignment.T_head_skull @ to_mm, mm_per_unit, everywhere)
    assert on_bone is not None
    truth = TrueFace.of(skin.transformed(known.T_head_input), known.landmarks)
    excluded = _excluded(truth.head, known, exclusion)
    areas = truth.head.face_areas()
    masked = float(areas[truth.triangles & excluded].sum())
    truth = dataclasses.replace(truth, triangles=truth.triangles & ~excluded)
    if not areas[truth.triangles].sum() > 0.0:
        why = "its mask leaves nothing" if masked > 0.0 else "skull and face must be of one head, and face outward"
        raise InputError(f"{source}: nothing of the true face lies where a face is; {why}")
    return Subject(
        name=name,
        skull=skull.transformed(known.T_head_input),
        truth=truth,
        rays=depth_rays(on_bone, Mesh(truth.head.vertices, truth.head.faces[~excluded]), prior),
        T_head_input=known.T_head_input,
        mm_per_unit=known.mm_per_unit,
        fullness=fullness,
        alignment=alignment,
        masked_area_mm2=masked,
        own_skin=own_skin,
        notes=notes,
    )


def _known(pair: Pair, record: PairRecord) -> SkullRecord | None:
    """What a pair's record tells of where it lies; None where it leaves that to the aligner."""
    if record.T_head_input_true is None:
        return None
    content = read_json_object(pair.record, "correct it, or remove it and the skull is aligned without")
    return read_skull_record(pair.record) if "landmarks_head_mm" in content else None


def _excluded(head: Mesh, known: SkullRecord, exclusion: Exclusion | None) -> np.ndarray:
    """Triangles of a head (head frame, mm) that a mask in the input's frame (mm) takes out."""
    if exclusion is None:
        return np.zeros(len(head.faces), dtype=bool)
    to_input_mm = _in_mm(known.mm_per_unit) @ np.linalg.inv(known.T_head_input)
    return exclusion.holds(transform_points(to_input_mm, head.vertices[head.faces].mean(axis=1)))


def _in_mm(mm_per_unit: float) -> np.ndarray:
    return np.diag([mm_per_unit] * 3 + [1.0])

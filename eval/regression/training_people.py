"""Many people of the training generator, undamaged and with shut mouths, kept in files: what a regression learns from.

Of a skull only some vertices are kept; thousands of whole ones fill the memory.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from data.cohort.anatomy import Anatomy
from data.cohort.generator import make_anatomy
from data.cohort.skeleton import make_skeleton
from data.cohort.variants import Variant
from data.face_region import face_triangles
from data.jaw_opening import JawOpening
from data.pairs.content import digest_of, prior_digest
from data.prior import AnatomyPrior
from eval.cohort.people import draw_people
from fields.mesh import Mesh
from flame_jax.kept_arrays import keep_arrays, read_kept

POINTS = 1_500
"""Of each skull: 5 mm apart on the outer surface. Correspondence makes them enough."""
SEED = 3_000_003
"""Of the first part; the others follow it. No other program's."""
_PART = 500
"""People in one file, so that a run that was stopped goes on."""
_VERSION = 1
"""Counts changes of the program after which people that were kept are no longer whom it draws."""


@dataclasses.dataclass(frozen=True)
class TrainingPeople:
    """People in the head frames of their own skulls, mm, in single precision."""

    points: Int[np.ndarray, " points"]
    """Vertices of the prior's skull that are kept."""
    skulls: Float[np.ndarray, "people points 3"]
    heads: Float[np.ndarray, "people head_vertices 3"]
    """Vertices of the prior's head."""
    fullness: Float[np.ndarray, " people"]
    cranium: Float[np.ndarray, " skull_vertices"]
    """Weights of the prior's skull vertices whose rigid fit to the prior's skull is the head frame; they add to one."""

    def __len__(self) -> int:
        return len(self.heads)

    def seen(self) -> Float[np.ndarray, "people numbers"]:
        """The skulls' points, a row for each person."""
        return self.skulls.reshape(len(self), -1)

    def mean_head(self, prior: AnatomyPrior) -> Mesh:
        """Mean of the heads in the head frames of their skulls, mm; `prior` is that of the people."""
        return Mesh(self.heads.mean(axis=0, dtype=np.float64), prior.head.faces)

    def faces(self, prior: AnatomyPrior) -> Float[np.ndarray, "people face_numbers"]:
        """The heads' vertices in the face region of the mean head, a row for each person: what a regression is judged
        by."""
        mean = self.mean_head(prior)
        face = np.unique(mean.faces[face_triangles(mean, prior.landmark_points())])
        return self.heads[:, face].reshape(len(self), -1)


_NAMES = [field.name for field in dataclasses.fields(TrainingPeople)]


def training_people(
    prior: AnatomyPrior,
    variant: Variant,
    jaw: JawOpening,
    count: int,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> TrainingPeople:
    """The first `count` people, each given by its number alone, from `folder` or drawn and kept there.

    Args:
        prior: Of the generator.
        variant: What the generator assumes besides.
        jaw: How the prior's mouth opens.
        count: How many.
        folder: For all such people; each generator's have a folder of their own in it.
        say: Shows what is being done.

    Raises:
        InputError: A file cannot be read or written.
    """
    own = folder / _digest(prior, variant)[:16]
    anatomy: Anatomy | None = None
    parts = []
    for part in range(-(-count // _PART)):
        path = own / f"{part:04d}.npz"
        people = read_kept(path, _NAMES)
        if people is None:
            say(f"drawing training people {part * _PART} to {(part + 1) * _PART}")
            anatomy = anatomy or make_anatomy(prior, variant, make_skeleton(prior), jaw)
            people = _draw_part(prior, anatomy, part)
            keep_arrays(path, people)
        parts.append(people)
    first = parts[0]
    return TrainingPeople(
        points=first["points"],
        **{name: np.concatenate([part[name] for part in parts])[:count] for name in ("skulls", "heads", "fullness")},
        cranium=first["cranium"],
    )


def _digest(prior: AnatomyPrior, variant: Variant) -> str:
    settings = variant.as_dict()
    return digest_of(prior_digest(prior), json.dumps([settings, POINTS, SEED, _PART, _VERSION], sort_keys=True))


def _draw_part(prior: AnatomyPrior, anatomy: Anatomy, part: int) -> dict[str, np.ndarray]:
    people = draw_people(prior, anatomy, _PART, seed=SEED + part)
    own = people.skulls.shape[1]
    points = np.random.default_rng(0).choice(own, min(POINTS, own), replace=False)
    return {
        "points": points,
        "skulls": people.skulls[:, points],
        "heads": people.heads,
        "fullness": people.fullness,
        "cranium": np.asarray(anatomy.cranium)[:own],
    }

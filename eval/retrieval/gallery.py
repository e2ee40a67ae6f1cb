"""A gallery: the faces of many people of a generator, among whom somebody is to be found again.

Faces of one head model have one topology, so each is kept as the same points of its skin, chosen evenly by area over
the face region of the mean head: a few megabytes for a thousand people. They lie in the head frame of their own
skulls, mm, which nobody who searches sees.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.cohort.anatomy import Anatomy
from data.cohort.generator import make_anatomy
from data.cohort.skeleton import make_skeleton
from data.cohort.variants import Variant
from data.face_region import face_triangles
from data.jaw_opening import JawOpening
from data.pairs.content import digest_of, prior_digest
from data.prior import AnatomyPrior
from eval.cohort.people import draw_people
from fields.distance import SurfacePoints
from fields.mesh import Mesh
from fields.sampling import sample_surface
from flame_jax.kept_arrays import keep_arrays, read_kept

POINTS = 500
"""Of each face: 6 mm apart."""
SEED = 4_000_003
"""Of the people. No other program's."""
_FRAME_POINTS = 4_000
"""Of each skull, which tell where its head frame is: to 0.1 mm, for a fifth of the time."""
_FEW = 50
_PART = 500
"""People in one file, so that a run that was stopped goes on."""
_VERSION = 1
"""Counts changes of the program after which faces that were kept are no longer those it draws."""


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Faces to be searched."""

    places: SurfacePoints
    """The points on the prior's mean head; head frame, mm."""
    faces: Float[np.ndarray, "people points 3"]
    """The same points of each person, in single precision; head frame of the person's own skull, mm."""

    def face_of(self, head: Mesh) -> Float[np.ndarray, "points 3"]:
        """The points of another head of the same topology, in its own frame."""
        return self.places.on(head).astype(np.float32)


def face_places(prior: AnatomyPrior) -> SurfacePoints:
    """The points of the prior's mean head that a gallery keeps."""
    head = prior.head_mesh()
    return sample_surface(head, POINTS, seed=0, face_mask=face_triangles(head, prior.landmark_points()))


def make_gallery(
    prior: AnatomyPrior,
    variant: Variant,
    jaw: JawOpening,
    count: int,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> Gallery:
    """The first `count` people, each given by its number alone, from `folder` or drawn and kept there.

    Args:
        prior: Of the generator.
        variant: What the generator assumes besides.
        jaw: How the prior's mouth opens; all mouths are shut.
        count: How many.
        folder: For all galleries; each generator's has a folder of its own in it.
        say: Shows what is being done.

    Raises:
        InputError: A file cannot be read or written.
    """
    own, places = folder / _digest(prior, variant)[:16], face_places(prior)
    anatomy: Anatomy | None = None
    parts = []
    for part in range(-(-count // _PART)):
        path = own / f"{part:04d}.npz"
        kept = read_kept(path, ["faces"])
        if kept is None:
            say(f"drawing faces {part * _PART:,} to {(part + 1) * _PART:,}")
            anatomy = anatomy or of_heads(make_anatomy(prior, variant, make_skeleton(prior), jaw))
            kept = {"faces": _draw_part(prior, anatomy, places, part)}
            keep_arrays(path, kept)
        parts.append(kept["faces"])
    return Gallery(places, np.concatenate(parts)[:count])


def of_heads(anatomy: Anatomy) -> Anatomy:
    """An anatomy for whom only heads matter: with no more of the skull than tells where a head lies in its frame. To be
    drawn from without covering bone."""
    cranium, is_jaw = np.asarray(anatomy.cranium, np.float64), np.asarray(anatomy.is_jaw)
    count = min(_FRAME_POINTS, int(np.count_nonzero(cranium)))
    of_frame = np.random.default_rng(0).choice(len(cranium), count, replace=False, p=cranium / cranium.sum())
    # The mandible weighs nothing, but is asked where it lies.
    rows = np.r_[of_frame, np.flatnonzero(is_jaw)[::_FEW]]
    weights = np.r_[np.full(count, 1.0 / count), np.zeros(len(rows) - count)]
    return dataclasses.replace(
        anatomy,
        rest=anatomy.rest[rows],
        is_jaw=anatomy.is_jaw[rows],
        cranium=jnp.asarray(weights, jnp.float32),
        warp=anatomy.warp[rows],
        bone=dataclasses.replace(anatomy.bone, even=anatomy.bone.even[rows], odd=anatomy.bone.odd[rows]),
    )


def _digest(prior: AnatomyPrior, variant: Variant) -> str:
    settings = variant.as_dict()
    return digest_of(prior_digest(prior), json.dumps([settings, POINTS, SEED, _PART, _VERSION], sort_keys=True))


def _draw_part(
    prior: AnatomyPrior, anatomy: Anatomy, places: SurfacePoints, part: int
) -> Float[np.ndarray, "people points 3"]:
    people = draw_people(prior, anatomy, _PART, seed=SEED, first=part * _PART, covered=False)
    corners = people.heads[:, prior.head.faces[places.face_ids]]
    return np.einsum("pc,npcd->npd", places.barycentric.astype(np.float32), corners)

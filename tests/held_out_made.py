"""Cases as in the held-out test set, but of the shipped prior's own people: made where tests have aligned already."""

from __future__ import annotations

import functools

import numpy as np

from data.align import Alignment
from eval.held_out.case import HeldOutCase, Placed
from fields.mesh import Mesh
from tests.skulls_made import alignment, case

SEEDS = (0, 1)


@functools.cache
def held_out_case(seed: int, *kinds: str) -> HeldOutCase:
    """An undamaged person whose skull lies in the true head frame; the kinds are only said."""
    made, found = case(seed), alignment(seed)
    placed = Placed(found.T_head_skull, made.skull.transformed(found.T_head_skull), found)
    return _case(seed, kinds, made.head, made.skull, made.landmarks, placed)


@functools.cache
def refused_case(seed: int) -> HeldOutCase:
    """One that the aligner refused."""
    made = case(seed)
    return _case(seed, ("half",), made.head, made.skull, made.landmarks, None)


def same_alignment(a: Alignment, b: Alignment) -> None:
    """Asserts that two alignments say the same, to single precision."""
    for name in ("T_head_skull", "bone_points", "bone_normals", "scale", "face_misfit_mm", "face_covered"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-4, err_msg=name)
    for name in ("landmarks", "bent_landmarks", "directions", "controls"):
        assert list(getattr(a, name)) == list(getattr(b, name))
        for key, point in getattr(a, name).items():
            np.testing.assert_array_equal(point, getattr(b, name)[key], err_msg=f"{name} {key}")
    np.testing.assert_allclose(a.bent_skull.vertices, b.bent_skull.vertices, atol=1e-4)
    np.testing.assert_array_equal(a.jaw.T_open_closed, b.jaw.T_open_closed)
    assert (a.jaw.opening_mm, a.jaw.present, a.warnings) == (b.jaw.opening_mm, b.jaw.present, b.warnings)


def _case(
    seed: int,
    kinds: tuple[str, ...],
    head: Mesh,
    skull: Mesh,
    landmarks: dict[str, np.ndarray],
    placed: Placed | None,
) -> HeldOutCase:
    return HeldOutCase(
        number=seed,
        kinds=kinds,
        fullness=0.5,
        opening=0.0,
        head=head,
        whole_skull=skull,
        landmarks=landmarks,
        placed=placed,
        refusal="" if placed else "not a skull",
    )

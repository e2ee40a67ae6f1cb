"""Makes the constants of a generator from an anatomy prior and a variant's assumptions. Runs on the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.cohort.anatomy import Anatomy
from data.cohort.bone_field import bone_field
from data.cohort.case import Generator
from data.cohort.controls import Controls, make_controls
from data.cohort.pose_errors import PoseErrors
from data.cohort.queries import query_places
from data.cohort.rays import make_rays
from data.cohort.seen import make_samples
from data.cohort.skeleton import Part, Skeleton, make_skeleton
from data.cohort.skin_between import skin_between
from data.cohort.stream import Stream
from data.cohort.tissue_law import tissue_law
from data.cohort.variants import Variant
from data.jaw_opening import JawOpening
from data.prior import AnatomyPrior
from data.warp import thin_plate_matrix
from fields.distance import DistanceScene
from fields.mesh_distance import mesh_index

_NEAR_MM = 13.0
"""Bone deeper than this under the mean head's skin does not come out."""
_NEAREST_MM = 5.0
"""Bone nearer than this is asked again when it has been pushed in: near nostrils there is skin on its other side."""


def make_generator(prior: AnatomyPrior, variant: Variant, jaw: JawOpening, pose_errors: PoseErrors) -> Generator:
    """All that cases are made of.

    Args:
        prior: Head model, skull and depth table.
        variant: What is assumed besides.
        jaw: How the prior's mouth opens.
        pose_errors: Of our aligner.

    Raises:
        InputError: The prior's head has no face, or its skull no orbits or aperture.
    """
    skeleton = make_skeleton(prior)
    return Generator(make_anatomy(prior, variant, skeleton, jaw), skeleton, make_samples(skeleton), pose_errors)


def make_stream(prior: AnatomyPrior, generator: Generator) -> Stream:
    """What the pure JAX program needs besides: places to ask about."""
    return Stream(generator, query_places(prior))


def make_anatomy(
    prior: AnatomyPrior, variant: Variant, skeleton: Skeleton, jaw: JawOpening, *, without: Sequence[str] = ()
) -> Anatomy:
    """The constants of a generator.

    Args:
        prior: Head model, skull and depth table.
        variant: What is assumed besides.
        skeleton: Of the prior's skull.
        jaw: How the prior's mouth opens.
        without: Controls that do not drive the skull, to test the interpolation.

    Raises:
        InputError: The prior's head has no face, or its skull no orbits or aperture.
    """
    rest, part = np.asarray(skeleton.rest, dtype=np.float64), np.asarray(skeleton.part)
    cranium = _cranium(prior, part)
    controls = make_controls(prior, variant, without=without)
    warp = thin_plate_matrix(controls.points, rest)
    prior = _levelled(prior, warp, controls, rest, cranium)
    controls = make_controls(prior, variant, without=without)
    law = tissue_law(
        controls.target, controls.sd, controls.loading, controls.rest_correlation, skin_between(prior, controls)
    )
    bone = {"length_mm": variant.bone_length_mm, "left_right": variant.left_right}
    slip = {"length_mm": variant.slip_length_mm, "left_right": variant.left_right}
    skull = prior.skull.vertices
    # Also of bone that faces away from the skin: thin bone has two faces, and comes out with both.
    to_skin = DistanceScene(prior.head_mesh()).distance(skull)
    is_depth = controls.mean > 0.0
    ratio = controls.sd / np.where(is_depth, controls.mean, 1.0)

    def single(array: np.ndarray | float) -> Float[jax.Array, "..."]:
        return jnp.asarray(array, dtype=jnp.float32)

    return Anatomy(
        head=single(prior.head.v_template),
        head_modes=single(prior.head.shapedirs),
        jaw=jaw,
        rest=single(rest),
        is_jaw=jnp.asarray(part == Part.MANDIBLE),
        cranium=single(cranium),
        warp=single(warp),
        follow=single(controls.follow),
        target=single(controls.target),
        coordinate=single(controls.coordinate),
        effect=single(controls.effect),
        offset=single(controls.offset),
        mean=single(controls.mean),
        spread=single(np.where(is_depth, np.sqrt(np.log1p(ratio**2)), controls.sd)),
        law=law,
        bone=bone_field(rest, skull, **bone),
        bone_at_controls=bone_field(controls.points, skull, **bone),
        bone_sd=single(variant.bone_sd_mm),
        slip=bone_field(controls.points, controls.points, **slip),
        slip_sd=single(variant.slip_sd_mm),
        rays=make_rays(prior, controls),
        near_vertices=jnp.asarray(np.flatnonzero(to_skin < _NEAR_MM), dtype=jnp.int32),
        nearest_vertices=jnp.asarray(np.flatnonzero(to_skin < _NEAREST_MM), dtype=jnp.int32),
        head_index=mesh_index(prior.head_mesh()),
    )


def deviation_names(prior: AnatomyPrior, variant: Variant) -> tuple[str, ...]:
    """Names of `Body.deviations`: controls for their depths, then rules."""
    return make_controls(prior, variant).deviations


def _cranium(prior: AnatomyPrior, part: np.ndarray) -> Float[np.ndarray, " vertices"]:
    """Each vertex of the cranium by its area; the mandible and what is not bone's outside count nothing."""
    areas = np.repeat(prior.skull.face_areas() / 3.0, 3)
    weights = np.zeros(len(part))
    weights[: len(prior.skull.vertices)] = np.bincount(prior.skull.faces.ravel(), areas, len(prior.skull.vertices))
    weights[part != Part.CRANIUM] = 0.0
    return weights / weights.sum()


def _levelled(
    prior: AnatomyPrior, warp: np.ndarray, controls: Controls, rest: np.ndarray, cranium: np.ndarray
) -> AnatomyPrior:
    """The prior with every mode's head turned back by the rigid motion of the skull that goes with it.

    A head model's coefficients also move heads in its own frame; seen from the skull that is no difference in shape.
    """
    follow = controls.open(controls.follow) + np.einsum("cdj,jk->cdk", controls.effect, controls.target)
    moves = np.einsum("vc,cdk->vdk", warp[cranium > 0.0], follow)
    points, weights = rest[cranium > 0.0], cranium[cranium > 0.0]
    centre = weights @ points
    arms = points - centre
    inertia = (weights @ (arms**2).sum(axis=1)) * np.eye(3) - np.einsum("v,vi,vj->ij", weights, arms, arms)
    shapes = prior.head.shapedirs.astype(np.float64)
    for mode in range(shapes.shape[2]):
        shift = weights @ moves[:, :, mode]
        turn = np.linalg.solve(inertia, weights @ np.cross(arms, moves[:, :, mode] - shift))
        shapes[:, :, mode] -= shift + np.cross(turn, prior.head.v_template - centre)
    head = dataclasses.replace(prior.head, shapedirs=shapes.astype(np.float32))
    return dataclasses.replace(prior, head=head)

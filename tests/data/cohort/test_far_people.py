"""People at three standard deviations of each leading component still have whole skulls: orbits, aperture, arches."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.cohort.anatomy import Person, body_of
from data.cohort.placement_rules import bone_points
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.cohort_made import train_generator
from tests.skulls_made import shipped_prior

COMPONENTS = 4


@functools.cache
def skull(component: int, sign: float) -> tuple[Mesh, Mesh]:
    """Skull and head of somebody who is average but for one component."""
    anatomy = train_generator().anatomy
    betas = np.zeros(anatomy.head_modes.shape[2], np.float32)
    betas[component] = 3.0 * sign
    person = Person(
        fullness=jnp.zeros(()),
        bone_betas=jnp.asarray(betas),
        tissue_betas=jnp.zeros(len(betas)),
        scores=jnp.zeros(anatomy.mean.shape),
        bone_noise=jnp.zeros(anatomy.bone.size),
        between_noise=jnp.zeros(anatomy.bone.size),
        slip_noise=jnp.zeros(anatomy.slip.size),
        opening=jnp.zeros(()),
    )
    body = _body(anatomy, person)
    prior = shipped_prior()
    bone = np.asarray(body.skeleton, np.float64)[: len(prior.skull.vertices)]
    return Mesh(bone, prior.skull.faces), Mesh(np.asarray(body.head, np.float64), prior.head.faces)


_body = jax.jit(body_of)


@pytest.mark.parametrize("component", range(COMPONENTS))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_orbits_aperture_and_teeth_are_all_there(component: int, sign: float) -> None:
    bone, head = skull(component, sign)
    prior = dataclasses.replace(shipped_prior(), skull=bone)
    marks, points = prior.landmark_points(bone), bone_points(prior)
    for side in ("_l", "_r"):
        breadth = abs(points[f"ec{side}"][0] - points[f"d{side}"][0])
        height = marks[f"mso{side}"][1] - marks[f"mio{side}"][1]
        assert 25.0 < breadth < 55.0
        assert 22.0 < height < 55.0
    assert 14.0 < points["al_l"][0] - points["al_r"][0] < 40.0
    # Triangles keep their orientation: nothing is folded over, but for a few about the teeth.
    mean = shipped_prior().skull
    turned = np.einsum("fd,fd->f", mean.face_normals(), bone.face_normals())
    assert (turned < 0.0).mean() < 2e-3
    inside = DistanceScene(head).signed_distance(bone.vertices)
    assert (inside < 0.0).all()

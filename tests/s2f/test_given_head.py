"""A head model of another topology on a field."""

from __future__ import annotations

import numpy as np
import pytest

from data.fittable_head import FittableHead
from flame_jax.model import HeadModel
from s2f.field_face import FieldFaces
from s2f.given_head import GivenHead
from tests.fields_made import tiny_model
from tests.prior_made import made_flame
from tests.skulls_made import alignment, case, shipped_prior

SEED = 1


@pytest.fixture(scope="module")
def given() -> tuple[GivenHead, int]:
    prior = shipped_prior()
    parts, skin = made_flame(prior)
    model = HeadModel(
        v_template=parts["v_template"].astype(np.float32),
        shapedirs=parts["shapedirs"][:, :, :6].astype(np.float32),
        faces=parts["f"].astype(np.int32),
        metres_per_unit=1.0,
        name="made",
    )
    head = FittableHead.of_model(model, prior, source="made.npz")
    return GivenHead.of(head, prior.head_mesh()), skin


def test_eyeballs_and_neck_are_not_moved(given):
    head, skin = given
    assert not head.seeking[skin:].any()
    assert head.outer[skin:].any()
    vertices = head.head.model.v_template
    assert not head.outer[vertices[:, 1] < -120.0].any()
    assert head.seeking[:skin].mean() > 0.7


def test_hybrid_on_a_given_head(given):
    head, skin = given
    model = tiny_model()
    skull = case(SEED).skull.transformed(alignment(SEED).T_head_skull)
    face = FieldFaces(model, 2_048, head).face(skull)
    mesh, fitted = face.surface.mesh, face.surface.fitted
    assert fitted is not None
    assert face.surface.met is not None
    np.testing.assert_array_equal(mesh.faces, head.head.model.faces)
    assert len(fitted.betas) == 6
    assert len(face.sd_mm) == len(mesh.vertices)
    assert face.surface.met > 0.9
    off = np.abs(face.distances(mesh.vertices[head.seeking]))
    assert np.median(off) < 0.05
    # Eyeballs go where the fit puts them.
    np.testing.assert_allclose(mesh.vertices[skin:], fitted.mesh.vertices[skin:], atol=1e-3)

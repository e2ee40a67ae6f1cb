"""Parts of the skull's fit; the whole of it is tested with the prior."""

from __future__ import annotations

import numpy as np
import pytest

from data.landmarks import ALL_KEYS, FRANKFURT, MIDLINE_KEYS, abbreviation_of
from data.prior import AnatomyPrior, read_prior
from data.shipped import PRIOR
from data.skull_in_head import PARTNER, fit_skull, smoothed_normals
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.data_made import sphere
from tests.prior_made import EYE_MM, T_FLAME_HEAD


@pytest.fixture(scope="module")
def prior() -> AnatomyPrior:
    return read_prior(PRIOR)


def test_partners_are_midline_landmarks() -> None:
    assert set(PARTNER) < set(MIDLINE_KEYS)


def test_normals_are_smoothed_and_outward() -> None:
    ball = sphere(50.0)
    points = ball.vertices[::37]
    rough = Mesh(
        ball.vertices * (1.0 + 0.01 * np.random.default_rng(0).standard_normal((len(ball.vertices), 1))), ball.faces
    )
    normals = smoothed_normals(rough, rough.vertices[::37], 25.0)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    smooth = np.einsum("pd,pd->p", normals, points) / 50.0
    single = np.einsum("pd,pd->p", rough.vertex_normals()[::37], points) / 50.0
    assert smooth.min() > 0.97
    assert smooth.mean() > single.mean()


def test_the_far_side_of_a_thin_plate_does_not_count() -> None:
    outer, inner = sphere(50.0), sphere(48.0)
    plate = Mesh(
        np.concatenate([outer.vertices, inner.vertices]),
        np.concatenate([outer.faces, inner.faces[:, ::-1] + len(outer.vertices)]).astype(np.int32),
    )
    normals = smoothed_normals(plate, outer.vertices[:9], 10.0)
    assert np.einsum("pd,pd->p", normals, outer.vertices[:9] / 50.0).min() > 0.99


def test_a_skull_of_any_size_and_place_fits_the_head(prior: AnatomyPrior) -> None:
    """Fitted into the head in another frame, in another unit; the result is in the head frame."""
    head = prior.head_mesh().transformed(T_FLAME_HEAD)
    x, y = EYE_MM
    eyes = np.array([[x, y, 81.0], [-x, y, 81.0]]) @ T_FLAME_HEAD[:3, :3].T
    template = Mesh(0.1 * prior.skull.vertices + [0.0, 4.0, -2.0], prior.skull.faces)
    marks = {key: 0.1 * point + [0.0, 4.0, -2.0] for key, point in prior.landmark_points().items()}
    fitted = fit_skull(head, eyes, template, marks, prior.tissue, rounds=25)
    assert set(fitted.landmarks) == set(ALL_KEYS)
    scene = DistanceScene(head.transformed(fitted.T_head_model))
    assert scene.signed_distance(fitted.skull.vertices).max() < 0.0
    np.testing.assert_allclose(fitted.T_head_model[:3, :3] @ fitted.T_head_model[:3, :3].T, np.eye(3), atol=1e-9)
    points = np.stack(list(fitted.landmarks.values()))
    assert DistanceScene(fitted.skull).distance(points).max() < 0.05
    # Each control lies under its tie, by its depth, along its direction.
    np.testing.assert_allclose(
        fitted.ties.points - fitted.controls, fitted.depths[:, None] * fitted.directions, atol=1e-9
    )
    assert scene.distance(fitted.ties.points).max() < 0.01
    for key, depth in zip(fitted.control_names, fitted.depths, strict=True):
        name = abbreviation_of(key)
        if name in prior.tissue.mean and name not in (*FRANKFURT, "op", "v"):
            assert depth == pytest.approx(prior.tissue.mean[name], abs=1.5), key
    for key in ("po_l", "po_r", "or_l"):
        assert fitted.landmarks[key][1] == pytest.approx(0.0, abs=1e-6)

"""Depths over landmarks on concentric spheres, where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from data.landmarks import abbreviation_of
from data.skull_in_head import SCALP
from eval.landmark_depths import DepthRays, depth_energy, depth_errors, depth_rays
from fields.mesh import Mesh, submesh
from tests.data_made import sphere
from tests.skulls_made import shipped_prior

BONE, SKIN = 90.0, 100.0


def ball(radius: float) -> Mesh:
    return sphere(radius, subdivisions=5)


def rays(skin: Mesh | None = None) -> DepthRays:
    """From landmarks on a sphere of bone, each in its own direction from the centre."""
    prior = shipped_prior()
    landmarks = {name: BONE * direction for name, direction in zip(prior.control_names, prior.directions, strict=True)}
    return depth_rays(landmarks, ball(SKIN) if skin is None else skin, prior)


def test_the_depth_is_that_of_the_shell_at_all_landmarks_but_the_scalp_s() -> None:
    found = rays()
    np.testing.assert_allclose(found.depth_mm, SKIN - BONE, atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(found.skin, axis=1), SKIN, atol=0.05)
    expected = {name for name in shipped_prior().tissue.points() if abbreviation_of(name) not in SCALP}
    assert set(found.names) == expected
    assert "v" not in expected
    assert len(expected) == 34


@pytest.mark.parametrize("radius", [SKIN, 103.0, 96.0, 82.0])
def test_errors_are_differences_of_radius_also_under_the_bone(radius: float) -> None:
    np.testing.assert_allclose(depth_errors(rays(), ball(radius)), radius - SKIN, atol=0.1)


def test_of_two_layers_the_one_next_to_the_true_skin_counts() -> None:
    inner, outer = ball(70.0), ball(101.0)
    both = Mesh(
        np.vstack([inner.vertices, outer.vertices]), np.vstack([inner.faces, outer.faces + len(inner.vertices)])
    )
    np.testing.assert_allclose(depth_errors(rays(), both), 1.0, atol=0.1)


def test_where_a_surface_ends_there_is_no_depth() -> None:
    left = submesh(ball(SKIN), ball(SKIN).vertices[:, 0] > 5.0)
    assert "zy_l" in rays(left).names
    assert "zy_r" not in rays(left).names
    errors = dict(zip(rays().names, depth_errors(rays(), left), strict=True))
    assert errors["zy_l"] == pytest.approx(0.0, abs=0.1)
    # The line through the right side meets the left one from within, which is no skin over that landmark.
    assert np.isnan(errors["zy_r"])


def test_the_energy_score_is_what_its_definition_says() -> None:
    # Distances to the truth |1| and |3|, and 2 between the samples: 2 − 2 / 2.
    assert depth_energy(rays(), [ball(101.0), ball(103.0)]) == pytest.approx(1.0, abs=0.05)
    # As far apart as from the truth on either side: nothing is lost.
    assert depth_energy(rays(), [ball(99.0), ball(101.0)]) == pytest.approx(0.0, abs=0.05)
    # All alike: the error itself.
    assert depth_energy(rays(), [ball(104.0)] * 3) == pytest.approx(4.0, abs=0.05)
    with pytest.raises(ValueError, match="two samples"):
        depth_energy(rays(), [ball(101.0)])

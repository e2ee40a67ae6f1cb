"""What anchors see: known answers on planes, and what does not matter."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.anchor_pooling import FEATURES, WIDTHS_MM, Anchors, pooled
from fields.mesh import Mesh
from fields.sampling import sample_surface
from tests.skulls_made import shipped_prior

_DENSITY, _OF_POINTS, _FEW = 0.02, 2_048, 0.02
"""As the module has them."""
_pooled = jax.jit(pooled)


def plane(height: float, of: int = _OF_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """A horizontal plane so wide that no window sees its rim, of plenty where a skull has so many points in all. The
    others are far away."""
    ticks = np.arange(-90.0, 90.0, 1.0 / np.sqrt(_DENSITY * of / _OF_POINTS))
    x, y = np.meshgrid(ticks, ticks)
    points = np.full((of, 3), 1e3, np.float32)
    points[: x.size] = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1)
    return points, np.tile(np.array([0, 0, 1], np.float32), (of, 1))


def up(count: int = 1) -> Anchors:
    """Anchors at the origin that look up."""
    return Anchors(np.zeros((count, 3), np.float32), np.tile(np.array([0, 0, 1], np.float32), (count, 1)))


@functools.cache
def skull() -> tuple[Anchors, np.ndarray, np.ndarray]:
    """256 anchors on the prior's skull, and points of it."""
    mesh = Mesh(shipped_prior().skull.vertices, shipped_prior().skull.faces)
    samples = sample_surface(mesh, 2_256, seed=0)
    points, normals = samples.points.astype(np.float32), mesh.face_normals()[samples.face_ids].astype(np.float32)
    order = np.random.default_rng(0).permutation(len(points))
    points, normals = points[order], normals[order]
    return Anchors(points[:256], normals[:256]), points[256:], normals[256:]


def seen(anchors: Anchors, points: np.ndarray, normals: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(_pooled(anchors, points, normals, np.ones(len(points), bool) if valid is None else valid))


@pytest.mark.parametrize(("height", "of"), [(0.0, 2_048), (3.0, 2_048), (-5.0, 2_048), (3.0, 8_192)])
def test_a_plane_is_seen_where_it_lies(height: float, of: int) -> None:
    """And alike from many points and from few."""
    found = seen(up(), *plane(height, of))[0]
    for features, width in zip(found, WIDTHS_MM, strict=True):
        share = np.exp(-0.5 * (height / width) ** 2)
        assert features[0] == pytest.approx(share / (1.0 + share), abs=0.02)
        # Of the rest, what the few points leave of it.
        rest = features[1:] / (share / (_FEW + share))
        spread = 2.0 + (height / width) ** 2
        wanted = [0.0, 0.0, height / width, spread, 0.0, 0.0, 1.0, height / width]
        np.testing.assert_allclose(rest, wanted, atol=0.06)


def test_heights_are_along_the_points_own_normals() -> None:
    """A plane that is tilted: the anchor looks past its foot, but is as high over it as it is."""
    tilt, height = np.radians(20.0), 4.0
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]], np.float32)
    points, normals = plane(height, 8_192)
    features = seen(up(), points @ turn.T, normals @ turn.T)[0, 1]
    share = features[0] / (1.0 - features[0])
    features = features * (_FEW + share) / share
    np.testing.assert_allclose(features[5:8], turn[:, 2], atol=0.02)
    assert features[8] == pytest.approx(height / WIDTHS_MM[1], abs=0.02)
    assert features[3] == pytest.approx(height * np.cos(tilt) / WIDTHS_MM[1], abs=0.02)


def test_order_and_filling_do_not_matter() -> None:
    anchors, points, normals = skull()
    wanted, rng = seen(anchors, points, normals), np.random.default_rng(1)
    order = rng.permutation(len(points))
    np.testing.assert_allclose(seen(anchors, points[order], normals[order]), wanted, atol=2e-4)
    # Filling lies among the points, so that it would be seen.
    there = anchors.points[:200]
    filled = np.concatenate([points, there]), np.concatenate([normals, anchors.normals[:200]])
    valid = np.arange(len(filled[0])) < len(points)
    np.testing.assert_allclose(seen(anchors, *filled, valid), wanted, atol=2e-4)
    assert np.abs(seen(anchors, *filled) - wanted).max() > 0.1


def test_groups_are_all_anchors_at_once() -> None:
    anchors, points, normals = skull()
    together = seen(anchors, points, normals)
    assert together.shape == (256, len(WIDTHS_MM), FEATURES)
    for start in range(0, 256, 64):
        part = Anchors(anchors.points[start : start + 64], anchors.normals[start : start + 64])
        np.testing.assert_allclose(seen(part, points, normals), together[start : start + 64], atol=1e-5)
    few = Anchors(anchors.points[:5], anchors.normals[:5])
    np.testing.assert_allclose(seen(few, points, normals), together[:5], atol=1e-5)


def test_all_may_lie_elsewhere() -> None:
    """What is seen does not depend on where the frame's origin is, but for the rounding of a skull's size."""
    anchors, points, normals = skull()
    shift = np.array([40.0, -60.0, 25.0], np.float32)
    moved = seen(Anchors(anchors.points + shift, anchors.normals), points + shift, normals)
    np.testing.assert_allclose(moved, seen(anchors, points, normals), atol=2e-3)


def test_inner_walls_do_not_count() -> None:
    """Points that face the other way are seen as little as points that are far away."""
    points, normals = plane(1.0)
    inner = np.concatenate([points, points - 5.0 * normals]), np.concatenate([normals, -normals])
    far = np.concatenate([points, points + 500.0]), np.concatenate([normals, normals])
    assert seen(up(), *far)[0, 1, 0] > 0.2
    np.testing.assert_allclose(seen(up(), *inner), seen(up(), *far), atol=1e-6)
    np.testing.assert_array_equal(seen(up(), points, -normals), 0.0)


def test_where_a_part_is_missing_little_is_seen() -> None:
    anchors, points, normals = skull()
    chin = anchors.points[:, 1] < -60.0
    assert 5 < chin.sum() < 100
    left = points[:, 1] > -15.0
    counts, rest = (part := seen(anchors, points, normals, left))[chin, :, 0], part[chin, :, 1:]
    whole = seen(anchors, points, normals)[chin, :, 0]
    assert whole[:, 1].min() > 0.1
    assert counts[:, :2].max() < 0.01
    assert np.abs(rest[:, :2]).max() < 0.5
    none = seen(anchors, points, normals, np.zeros(len(points), bool))
    np.testing.assert_array_equal(none, 0.0)


def test_slopes_are_finite_where_nothing_is_seen() -> None:
    _, points, normals = skull()

    def total(points: jax.Array) -> jax.Array:
        return (pooled(up(), points, jnp.asarray(normals[:10]), jnp.zeros(10, bool)) ** 2).sum()

    assert np.isfinite(jax.grad(total)(jnp.asarray(points[:10]))).all()

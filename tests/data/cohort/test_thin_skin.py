"""Controls where skin is thin: in pairs, spread evenly, none where another one is."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from data.cohort.placement_rules import bone_points
from data.cohort.thin_skin import THIN_MM, DepthSites, thin_sites
from fields.distance import DistanceScene
from tests.data_made import inside_out, joined, sphere
from tests.skulls_made import shipped_prior

SPACING = 14.0


def named() -> dict[str, np.ndarray]:
    found = bone_points(shipped_prior())
    return {name: found[name] for name in ("ec_l", "ec_r")}


@functools.cache
def sites(spacing: float = SPACING) -> DepthSites:
    return thin_sites(shipped_prior(), shipped_prior().controls, named(), spacing)


def gaps(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - others[None], axis=-1)


def test_named_ones_come_first_then_pairs() -> None:
    found, pairs = sites(), (len(sites().names) - 2) // 2
    assert found.names == ("ec_l", "ec_r", *(f"thin{k}{side}" for k in range(pairs) for side in ("_l", "_r")))
    np.testing.assert_array_equal(found.points[:2], np.stack(list(named().values())))
    assert pairs > 5
    left, right = found.points[2::2], found.points[3::2]
    assert left[:, 0].min() > 5.0
    # The right one is on the bone next to the left one's image.
    np.testing.assert_allclose(left * [-1.0, 1.0, 1.0], right, atol=2.0)
    assert np.abs(DistanceScene(shipped_prior().skull).distance(found.points[2:])).max() < 1e-3


def test_bone_is_close_under_the_skin_there() -> None:
    found, head = sites(), shipped_prior().head_mesh()
    under = -DistanceScene(head).signed_distance(found.points)
    np.testing.assert_allclose(under, found.depths, atol=1e-3)
    assert found.depths[2::2].max() < THIN_MM
    # The other side is about as deep.
    assert found.depths[3::2].max() < THIN_MM + 3.0
    assert found.depths.min() > 0.5


def test_directions_lead_to_the_skin() -> None:
    found, prior = sites(), shipped_prior()
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found.points + found.depths[:, None] * found.directions, found.ties.points, atol=1e-4)
    np.testing.assert_allclose(found.ties.on(prior.head_mesh()), found.ties.points, atol=1e-3)
    # Not through the bone: outwards.
    normals = prior.skull.vertex_normals()
    nearest = np.argmin(gaps(found.points[2:], prior.skull.vertices), axis=1)
    assert np.einsum("sd,sd->s", normals[nearest], found.directions[2:])[::2].min() > 0.6


@pytest.mark.parametrize("spacing", [SPACING, 20.0])
def test_they_keep_their_distance(spacing: float) -> None:
    points = sites(spacing).points
    apart = gaps(points[2::2], points[2::2])
    assert apart[~np.eye(len(apart), dtype=bool)].min() >= spacing
    taken = np.concatenate([shipped_prior().controls, points[:2]])
    # On the right to what the two sides differ by.
    assert gaps(points[2::2], taken).min() >= spacing
    assert gaps(points[3::2], taken).min() >= spacing - 2.0
    across = gaps(points[2::2], points[3::2])
    assert across[~np.eye(len(across), dtype=bool)].min() >= spacing - 2.0


def test_they_leave_no_room_where_skin_is_thin() -> None:
    prior, found = shipped_prior(), sites()
    skull = prior.skull
    skin = DistanceScene(prior.head_mesh()).closest(skull.vertices).points - skull.vertices
    depth = np.linalg.norm(skin, axis=1)
    facing = np.einsum("vd,vd->v", skull.vertex_normals(), skin) > 0.8 * depth
    thin = skull.vertices[(depth < THIN_MM - 0.5) & (depth > 1.0) & facing & (skull.vertices[:, 0] > 8.0)]
    assert len(thin) > 100
    everything = np.concatenate([prior.controls, found.points])
    both = np.minimum(gaps(thin, everything).min(axis=1), gaps(thin * [-1.0, 1.0, 1.0], prior.controls).min(axis=1))
    assert both.max() < SPACING + 0.5


def test_a_point_on_one_side_keeps_both_sides_free() -> None:
    one = sites().points[3:4]
    found = thin_sites(shipped_prior(), np.concatenate([shipped_prior().controls, one]), named(), SPACING)
    mirrored = one * [-1.0, 1.0, 1.0]
    assert gaps(found.points, one).min() >= SPACING - 2.0
    assert gaps(found.points, mirrored).min() >= SPACING - 1e-6


def test_walls_that_face_away_from_the_skin_are_none() -> None:
    """A cavity's wall 4 mm under the skin of a ball, and two knobs of bone that face it."""
    prior = shipped_prior()
    away = prior.head.v_template / np.linalg.norm(prior.head.v_template, axis=1, keepdims=True)
    head = dataclasses.replace(prior.head, v_template=(100.0 * away).astype(np.float32))
    knobs = [sphere(3.0, subdivisions=2, centre=(side * 94.0, 0.0, 0.0)) for side in (1.0, -1.0)]
    bone = joined(inside_out(sphere(96.0)), *knobs)
    made = dataclasses.replace(prior, head=head, skull=bone)
    found = thin_sites(made, np.array([[0.0, 97.0, 0.0]]), {}, 40.0)
    assert found.names == ("thin0_l", "thin0_r")
    assert np.linalg.norm(found.points - [[94.0, 0.0, 0.0], [-94.0, 0.0, 0.0]], axis=1).max() < 3.01


def test_closer_spacing_makes_more() -> None:
    counts = [len(sites(spacing).names) for spacing in (12.0, SPACING, 20.0, 1000.0)]
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == 2

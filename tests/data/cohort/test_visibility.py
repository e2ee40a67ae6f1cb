"""What is seen from outside: made shells with known answers, and the skull against exact rays."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data.cohort.cuts import NEVER_MM
from data.cohort.harm import Harm
from data.cohort.skeleton import Part
from data.cohort.visibility import SEEN_MM, seen_from_outside
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.harm_made import as_mesh, at_level, harmed, one, seen_values, shipped_samples, unharmed
from tests.skeleton_made import shipped_skeleton

CENTRE = np.array([0.0, 10.0, 10.0], np.float32)
"""Of the pictures."""
SAWN = np.array([[0.0, -1.0, 0.0, 50.0], [0.0, 1.0, 0.0, NEVER_MM]], np.float32)
_seen = jax.jit(seen_from_outside)


def directions(count: int) -> np.ndarray:
    """Evenly over the sphere, along a spiral."""
    height = 1.0 - 2.0 * (np.arange(count) + 0.5) / count
    turn = np.pi * (1.0 + 5.0**0.5) * np.arange(count)
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def views() -> np.ndarray:
    """Those of the pictures, as they are said to be: a spiral over half of the sphere, and from behind."""
    height, turn = (np.arange(13) + 0.5) / 13, np.arange(13) * np.pi * (3.0 - 5.0**0.5)
    radius = np.sqrt(1.0 - height**2)
    axes = np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], axis=1)
    return np.concatenate([axes, -axes])


def shells(*, opened: bool, outer: float = 80.0, inner: float = 60.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and what is there of a hollow ball, whose outer and inner surface end above if it is opened."""
    around = directions(30_000)
    points = np.concatenate([outer * around, inner * around])
    normals = np.concatenate([around, -around])
    there = (points[:, 1] < 30.0) if opened else np.ones(len(points), bool)
    return (points + CENTRE).astype(np.float32), normals.astype(np.float32), there


def test_of_a_closed_ball_the_outside_is_seen_and_nothing_else():
    points, normals, there = shells(opened=False)
    seen = np.asarray(_seen(points, normals, points, there))
    assert (np.abs(seen) <= SEEN_MM).all()
    assert (seen[:30_000] > 0.0).all()
    assert (seen[30_000:] < 0.0).all()


def test_into_an_open_bowl_one_sees_from_above():
    points, normals, there = shells(opened=True)
    seen = np.asarray(_seen(points, normals, points, there))[30_000:][there[30_000:]]
    inside = (points - CENTRE)[30_000:][there[30_000:]]
    bottom = inside[:, 1] < -40.0
    # But for a few specks, which coarse pictures leave.
    assert (seen[bottom] > 0.0).mean() > 0.99
    # What is gone hides nothing, and with a lid on it nothing is seen.
    closed = np.asarray(_seen(points, normals, points, np.ones(len(points), bool)))[30_000:][there[30_000:]]
    assert (closed[bottom] < 0.0).all()


def test_a_surface_is_seen_from_its_own_side():
    points, normals, there = shells(opened=False)
    # The outer surface turned inside out looks into the ball, where nobody stands.
    seen = np.asarray(_seen(points, -normals, points, there))
    assert (seen[:30_000] < 0.0).all()


def exactly_seen(mesh: Mesh, points: np.ndarray, normals: np.ndarray, views: np.ndarray) -> np.ndarray:
    """By rays that leave the mesh no more steeply than 75° off the normal."""
    scene, seen = DistanceScene(mesh), np.zeros(len(points), bool)
    for view in views:
        facing = np.flatnonzero((normals @ view > 0.25) & ~seen)
        origins = points[facing] + 0.05 * normals[facing]
        seen[facing[~scene.cast(origins, np.broadcast_to(view, origins.shape)).hit]] = True
    return seen


def draws() -> dict[str, Harm]:
    harms = {"whole": unharmed(), "sawn": unharmed(bone_planes=SAWN)}
    harms |= {f"draw {index}": one(at_level(1.0), index) for index in (0, 4, 9, 14)}
    return harms


@pytest.mark.parametrize("name", ["whole", "sawn", "draw 0", "draw 4", "draw 9", "draw 14"])
def test_points_on_skulls_are_seen_where_exact_rays_get_out(name):
    skeleton: Any = shipped_skeleton()
    samples: Any = shipped_samples()
    count = 12_000
    laser = dataclasses.replace(draws()[name], outside_only=np.array(True))
    after = harmed(laser)
    corners, weights = skeleton.faces[samples.face_ids[:count]], samples.barycentric[:count]

    def between(values: np.ndarray) -> np.ndarray:
        return np.einsum("pc...,pc->p...", values[corners], weights)

    left = (between(after.in_bone) > 0.0) & (between(after.in_scan) > 0.0)
    left &= after.face_kept[samples.face_ids[:count]]
    seen = between(seen_values(laser, after))[left] > 0.0
    points = between(after.vertices)[left].astype(np.float64)
    own = Mesh(after.vertices.astype(np.float64), skeleton.faces)
    normals = own.face_normals()[samples.face_ids[:count]][left]
    everything = as_mesh(dataclasses.replace(laser, outside_only=np.array(False)))
    assert (seen == exactly_seen(everything, points, normals, views())).mean() > 0.95
    # Outer bone as if from everywhere; into the cavities there are few directions, which 26 views may miss.
    outer = (skeleton.part[corners][left] != Part.INNER).any(axis=1)
    assert (seen == exactly_seen(everything, points, normals, directions(150)))[outer].mean() > 0.95
    assert outer.mean() < 0.8
    assert 0.4 < seen.mean() < 0.95

"""Broken skulls as meshes: where the points of the same draw lie, and cut where they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from data.cohort.cuts import CRACKS, HOLES, NEVER_MM, Cracks, Holes
from data.cohort.harm import Harm
from data.cohort.skeleton import Part
from data.jaw_opening import read_jaw_opening
from data.shipped import JAW_OPEN
from fields.distance import DistanceScene
from fields.mesh import Mesh
from fields.sampling import sample_surface
from tests.harm_made import SHUT, as_mesh, as_points, at_level, one, unharmed
from tests.skeleton_made import bone_faces, shipped_skeleton
from tests.skulls_made import shipped_prior

NO_PLANE = [0.0, 1.0, 0.0, NEVER_MM]


def bone(*, inner: bool = True) -> Mesh:
    skeleton: Any = shipped_skeleton()
    return Mesh(np.asarray(skeleton.rest, np.float64), bone_faces(skeleton, parted=False, inner=inner))


def chosen() -> list[int]:
    """Some draws at random, and for each cut the first two that it happened to."""
    harm = at_level(1.0)
    met = [
        harm.holes.radii.any(axis=1),
        harm.cracks.half_length.any(axis=1) & harm.outside_only,
        harm.bone_planes[:, 0, 3] < NEVER_MM,
        harm.bone_planes[:, 1, 3] < NEVER_MM,
        harm.view_planes[:, :, 3].min(axis=1) < NEVER_MM,
        (harm.T_displaced_jaw != np.eye(4)).any(axis=(1, 2)) & harm.holes.radii.any(axis=1),
    ]
    return sorted({*range(6), *(int(index) for who in met for index in np.flatnonzero(who)[:2])})


@pytest.mark.parametrize("is_open", [False, True])
def test_mesh_and_points_of_a_draw_agree_to_a_tenth_of_a_millimetre(is_open):
    opened = np.asarray(read_jaw_opening(JAW_OPEN, shipped_prior()).mandible_transform(0.3), np.float32)
    for index in chosen()[: 4 if is_open else None]:
        harm = one(at_level(1.0), index)
        motion = opened if is_open else SHUT
        mesh, seen = as_mesh(harm, motion), as_points(harm, motion)
        points = seen.points[seen.valid].astype(np.float64)
        assert len(points) > 5_000
        assert DistanceScene(mesh).distance(points).max() < 0.1, index
        # And nothing of the mesh is without points, which are 4 mm apart.
        gap = cKDTree(points).query(sample_surface(mesh, 4_000, seed=0).points)[0]
        assert np.quantile(gap, 0.999) < 6.5, index


def test_no_severity_gives_the_whole_bone():
    mesh = as_mesh(one(at_level(0.0), 0, decimated=True))
    assert len(mesh.faces) == len(bone().faces)
    assert mesh.face_areas().sum() == pytest.approx(bone().face_areas().sum(), rel=1e-6)


def test_the_same_harm_gives_the_same_file():
    first, second = (as_mesh(one(at_level(1.0), 3, decimated=True)) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.faces, second.faces)


def test_a_sawn_skull_ends_at_the_saw_and_has_a_face_there():
    plane = np.array([[0.0, -0.96, 0.28, 30.0], NO_PLANE], np.float32)
    mesh = as_mesh(unharmed(bone_planes=plane))
    beyond = mesh.vertices @ plane[0, :3].astype(np.float64) + 30.0
    # Steep bone is folded exactly into the plane; the floor of the orbits and of the skull's base is not steep.
    assert (beyond[np.unique(mesh.faces)] > -0.01).mean() > 0.99
    on_plane = (np.abs(beyond[mesh.faces]) < 0.01).all(axis=1)
    face = Mesh(mesh.vertices, mesh.faces[on_plane])
    # A ring of half a metre, some millimetres wide.
    assert 1_500.0 < face.face_areas().sum() < 6_000.0
    above = bone().vertices @ plane[0, :3] + 30.0 < -8.0
    assert above.sum() > 1_000
    assert DistanceScene(mesh).distance(bone().vertices[above]).min() > 5.0


def test_a_hole_goes_through_the_vault_and_shows_its_thickness():
    skeleton: Any = shipped_skeleton()
    side = int(np.argmax(np.where(np.abs(skeleton.rest[:, 1] - 70.0) < 3.0, skeleton.rest[:, 0], -np.inf)))
    centre, radii = skeleton.rest[side], np.zeros(HOLES, np.float32)
    radii[0] = 14.0
    waves = np.zeros((HOLES, 6, 4), np.float32)
    mesh = as_mesh(unharmed(holes=Holes(np.tile(centre, (HOLES, 1)), radii, waves)))
    scene = DistanceScene(mesh)
    start = centre + np.array([[40.0, y, z] for y in (-8.0, 0.0, 8.0) for z in (-8.0, 0.0, 8.0)])
    hits = scene.cast(start.astype(np.float64), np.broadcast_to([-1.0, 0.0, 0.0], start.shape))
    assert (hits.distance > 100.0).all()
    # Away from it all is as before.
    distance = np.linalg.norm(bone().vertices - centre, axis=1)
    whole = np.isin(np.arange(len(distance)), bone().faces)
    assert scene.distance(bone().vertices[whole & (distance > 14.0)]).max() < 1e-3
    # Nothing is nearer to its centre than its edge, but where the edge was folded straight on and not along the ball.
    near = np.linalg.norm(mesh.vertices - centre, axis=1)
    assert near.min() > 11.0
    # Sideways, within the bone, rays meet its edge and do not get between the outer and the inner wall.
    turn = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    around = np.stack([0.0 * turn, np.cos(turn), np.sin(turn)], axis=1)
    for depth in (3.0, 6.0):
        edge = scene.cast(np.broadcast_to(centre - np.array([depth, 0.0, 0.0]), around.shape), around).distance
        assert ((edge > 11.0) & (edge < 16.0)).mean() > 0.9, depth


def slit(place: int) -> Harm:
    """A straight crack of 2 mm on the vault, from ear to ear, about a vertex."""
    skeleton: Any = shipped_skeleton()
    lengths = np.zeros(CRACKS, np.float32)
    lengths[0] = 40.0
    return unharmed(
        cracks=Cracks(
            centres=np.tile(skeleton.rest[place], (CRACKS, 1)),
            across=np.tile(np.array([0.0, 0.0, 1.0], np.float32), (CRACKS, 1)),
            along=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (CRACKS, 1)),
            half_width=np.full(CRACKS, 1.0, np.float32),
            half_length=lengths,
            wave=np.zeros((CRACKS, 2), np.float32),
        )
    )


def test_a_crack_narrower_than_triangles_is_cut_all_the_same():
    skeleton: Any = shipped_skeleton()
    vault = np.where(skeleton.part == Part.CRANIUM, skeleton.rest[:, 1], -np.inf)
    top = int(np.argmax(vault))
    mesh = as_mesh(slit(top))
    scene, middle = DistanceScene(mesh), skeleton.rest[top].astype(np.float64)
    # Down through the crack a ray meets neither outer nor inner wall of the vault, beside it the outer one.
    start = middle + np.array([[x, 20.0, z] for x in (-20.0, 0.0, 20.0) for z in (-3.0, -0.7, 0.0, 0.7, 3.0)])
    depth = scene.cast(start, np.broadcast_to([0.0, -1.0, 0.0], start.shape)).distance.reshape(3, 5)
    assert (depth[:, 1:4] > 60.0).all()
    assert (depth[:, [0, 4]] < 35.0).all()
    # As wide as it is all along, so that its area is that of a strip of both walls, less its tapered ends.
    lost = bone().face_areas().sum() - mesh.face_areas().sum()
    assert lost == pytest.approx(2 * 2.0 * (80.0 - 10.0), rel=0.15)


def test_decimation_keeps_the_surface():
    harm = unharmed(triangles=np.int32(20_000))
    coarse = as_mesh(harm)
    assert 18_000 < len(coarse.faces) <= 20_000
    gap = DistanceScene(bone()).distance(sample_surface(coarse, 5_000, seed=0).points)
    assert np.quantile(gap, 0.99) < 0.5


def test_nothing_left_is_a_mesh_without_triangles():
    mesh = as_mesh(unharmed(view_planes=np.array([[0.0, 1.0, 0.0, -500.0], NO_PLANE, NO_PLANE], np.float32)))
    assert mesh.faces.shape == (0, 3)


def test_a_laser_scan_shows_no_inner_walls_until_the_vault_is_off():
    saw = np.array([[0.0, -1.0, 0.0, 50.0], NO_PLANE], np.float32)
    inner = DistanceScene(Mesh(bone().vertices, inner_faces()))
    shares = {}
    for name, changes in (("whole", {}), ("sawn", {"bone_planes": saw})):
        ct, laser = (
            as_mesh(unharmed(outside_only=np.array(only_outside), **changes)) for only_outside in (0 > 1, 1 > 0)
        )
        areas = [
            mesh.face_areas() * (inner.distance(mesh.vertices[mesh.faces].mean(axis=1)) < 0.05) for mesh in (ct, laser)
        ]
        shares[name] = areas[1].sum() / areas[0].sum()
        assert laser.face_areas().sum() < ct.face_areas().sum()
    assert shares["whole"] < 0.1
    assert shares["sawn"] > 0.5


def inner_faces() -> np.ndarray:
    skeleton: Any = shipped_skeleton()
    return np.asarray(skeleton.faces[(skeleton.part[skeleton.faces] == Part.INNER).all(axis=1)])

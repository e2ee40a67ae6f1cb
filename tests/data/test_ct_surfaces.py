"""Bone and skin of a made head and of a real one: in place, closed, wound outward, without what is no skull."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data.ct_surfaces import bone_surface, skin_surface
from data.volume_files import Volume, read_volume
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.errors import InputError
from tests.volumes_made import head_phantom

HEADSQ = Path(__file__).resolve().parents[3] / "shared" / "data" / "headsq_ct"
JAW = np.array([[0.0, -46.0, -80.0], [32.0, -32.0, -80.0]])


@pytest.fixture(scope="module")
def bone() -> Mesh:
    return bone_surface(head_phantom())


@pytest.fixture(scope="module")
def skin() -> Mesh:
    return skin_surface(head_phantom())


def test_bone_is_closed_and_wound_outward(bone: Mesh) -> None:
    assert closed_volume(bone) > 0
    wall = 4 / 3 * np.pi * (50**3 - 44**3)
    upper = bone.vertices[:, 2] > 10
    assert np.abs(np.linalg.norm(bone.vertices[upper], axis=1) - 47).max() < 5.0
    assert closed_volume(bone) == pytest.approx(wall + np.pi * 46 * 8 * 16, rel=0.25)


def test_jaw_is_kept_and_column_table_and_tube_are_not(bone: Mesh) -> None:
    scene = DistanceScene(bone)
    assert (scene.signed_distance(JAW) < -1).all()
    gone = np.array([[0.0, 0.0, -100.0], [0.0, 0.0, -70.0], [0.0, 75.0, 0.0], [20.0, -66.0, -100.0]])
    assert (scene.signed_distance(gone) > 2).all()
    assert (scene.distance(gone) > 5).all()
    assert (scene.signed_distance(np.array([[0.0, 0.0, 47.0], [47.0, 0.0, 0.0]])) < 0).all()


def test_bone_follows_the_grid_and_not_the_axes(bone: Mesh) -> None:
    """The same head lying in other axes, mirrored ones among them, gives the same surface."""
    volume = head_phantom()
    turned = Volume(
        np.ascontiguousarray(volume.hounsfield.transpose(2, 0, 1)[:, ::-1]),
        volume.spacing,
        volume.origin + np.array([0.0, 0.0, 2.0 * (volume.hounsfield.shape[0] - 1)]),
        np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
        "turned",
    )
    mesh = bone_surface(turned)
    assert closed_volume(mesh) == pytest.approx(closed_volume(bone), rel=0.01)
    assert DistanceScene(bone).distance(mesh.vertices).max() < 1.5


def test_skin_is_one_closed_surface_without_airway_table_and_tube(skin: Mesh) -> None:
    assert closed_volume(skin) > 0
    assert trimesh.Trimesh(skin.vertices, skin.faces, process=False).body_count == 1
    scene = DistanceScene(skin)
    inside = np.array([[0.0, 0.0, 0.0], [0.0, -36.0, -62.0], [0.0, 0.0, 55.0]])
    assert (scene.signed_distance(inside) < 0).all()
    outside = np.array([[0.0, 75.0, 0.0], [60.0, 75.0, 0.0], [24.0, -66.0, -100.0]])
    assert (scene.signed_distance(outside) > 1).all()
    crown = skin.vertices[skin.vertices[:, 2] > 10]
    # The boundary of the phantom's voxels is up to a voxel's half width off the sphere.
    assert np.abs(np.linalg.norm(crown, axis=1) - 62).mean() < 0.7


def test_dry_skull_keeps_its_loose_jaw() -> None:
    mesh = bone_surface(head_phantom(flesh=False, table=False))
    assert (DistanceScene(mesh).signed_distance(JAW) < -1).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda hu: np.minimum(hu, 100.0), "no bone above 250 HU"),
        (lambda hu: np.clip(hu, 0.0, 255.0), "Hounsfield"),
        (lambda hu: hu + 1024.0, "Hounsfield"),
        (lambda hu: np.full_like(hu, -1000.0), "no bone"),
    ],
)
def test_volume_without_bone_or_hounsfield_units(change: Callable[[np.ndarray], np.ndarray], says: str) -> None:
    volume = head_phantom(spacing=4.0)
    with pytest.raises(InputError, match=says) as caught:
        bone_surface(dataclasses.replace(volume, hounsfield=change(volume.hounsfield)))
    assert "\n" not in str(caught.value)
    assert "phantom" in str(caught.value)


def test_no_skin_in_air() -> None:
    volume = head_phantom(spacing=4.0)
    with pytest.raises(InputError, match="no skin"):
        skin_surface(dataclasses.replace(volume, hounsfield=np.full_like(volume.hounsfield, -1000.0)))


@pytest.mark.skipif(not HEADSQ.is_dir(), reason="../shared is not there")
def test_real_head() -> None:
    """Positions read off the slices: kept are skull and mandible, gone are vertebrae and the tube."""
    volume = read_volume(HEADSQ / "dicom")
    bone, skin = bone_surface(volume), skin_surface(volume)
    assert closed_volume(bone) > 0
    assert closed_volume(skin) > 0
    scene = DistanceScene(bone)
    kept = np.array([[100.0, 60.0, 15.0], [52.0, 100.0, 74.0], [148.0, 100.0, 74.0], [100.0, 25.0, 120.0]])
    vertebrae = np.array([[100.0, 128.0, 5.0], [98.0, 125.0, 45.0], [98.0, 120.0, 76.0]])
    assert (scene.distance(kept) < 5).all()
    assert (scene.distance(vertebrae) > 12).all()
    tube = np.array([[91.0, 45.0, 3.0], [89.0, 40.0, 15.0]])
    assert (DistanceScene(skin).signed_distance(tube) > 0).all()
    near = DistanceScene(skin).signed_distance(bone.vertices[bone.vertices[:, 2] < 136])
    assert (near < 0.5).mean() > 0.999


def closed_volume(mesh: Mesh) -> float:
    """Enclosed volume, positive if wound outward; the mesh must be watertight."""
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert surface.is_watertight
    assert surface.is_winding_consistent
    return float(surface.volume)
